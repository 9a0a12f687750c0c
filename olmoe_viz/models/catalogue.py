"""The models that can be loaded by name, and how much of each is on this machine.

Knows names and places only; imports neither torch nor transformers.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from olmoe_viz.models.files import BadFiles, weight_files


@dataclass(frozen=True)
class Entry:
    """One model that people can choose.

    `hub_id` is None for the bundled model. `revision` is the commit or branch that is loaded unless
    another is asked for. `context` is the most tokens that it reads, `layers` the number of its
    blocks, `experts` that of the experts in each, and `trained_k` how many of them it was trained
    to use. `download` is about how many bytes its files have on the hub, and `memory` how many it
    needs to be loaded in bfloat16; both are 0 for the bundled model.
    """

    name: str
    hub_id: str | None
    revision: str | None
    description: str
    context: int
    layers: int = 16
    experts: int = 64
    trained_k: int = 8
    download: int = 0
    memory: int = 0


@dataclass(frozen=True)
class OnDisk:
    """What the hub's cache on this machine holds of a model.

    `arrived` counts bytes, those of unfinished files too, from where a download goes on; `free` is
    what the disk has left. `hub_is_off` says that HF_HUB_OFFLINE forbids downloads here.
    """

    complete: bool
    arrived: int
    free: int
    hub_is_off: bool


BUNDLED = "olmoe-nano"
_MEMORY = 15_222_156_083  # of 6.92 B parameters in bfloat16; see memory.weight_bytes

CATALOGUE: tuple[Entry, ...] = (
    Entry(
        name=BUNDLED,
        hub_id=None,
        revision=None,
        description="A small model with OLMoE's layers and experts. Comes with this project.",
        context=1_024,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0924",
        hub_id="allenai/OLMoE-1B-7B-0924",
        revision="main",
        description="OLMoE, the base model of September 2024. About 14 GB.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0924-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0924-Instruct",
        revision="main",
        description="The base model of September 2024, tuned to follow instructions. About 14 GB.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125",
        hub_id="allenai/OLMoE-1B-7B-0125",
        revision="main",
        description="OLMoE, the base model of January 2025. A download of about 28 GB.",
        context=4_096,
        download=27_680_000_000,
        memory=_MEMORY,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0125-Instruct",
        revision="main",
        description="The base model of January 2025, tuned to follow instructions.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
    ),
)


def find(name: str) -> Entry | None:
    """Return the entry of that name, or None."""
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def on_disk(entry: Entry) -> OnDisk:
    """Look into the hub's cache for a model of the hub; asks no network."""
    from huggingface_hub import constants  # takes a moment, and the bundled model needs none of it

    cache = Path(constants.HF_HUB_CACHE)
    folder = cache / f"models--{(entry.hub_id or entry.name).replace('/', '--')}"
    there = next(path for path in (cache, *cache.parents) if path.is_dir())
    return OnDisk(
        complete=_complete(folder, entry.revision or "main"),
        arrived=sum(blob.stat().st_size for blob in folder.glob("blobs/*")),
        free=shutil.disk_usage(there).free,
        hub_is_off=constants.HF_HUB_OFFLINE,
    )


def _complete(folder: Path, revision: str) -> bool:
    """Whether the commit that the revision was when it was fetched has all its weights."""
    try:
        commit = (folder / "refs" / revision).read_text("utf-8").strip()
        weight_files(folder / "snapshots" / commit)
    except (OSError, ValueError, BadFiles):
        return False
    return True


def bundled_path() -> Path:
    """Return the folder of the bundled model's checkpoint."""
    return Path(__file__).parent / BUNDLED
