"""The models that can be loaded by name, and how much of each is on this machine.

A model of the hub under another revision than the catalogue's is another model, with a name of its
own: `name@revision`. Knows names and places only; imports neither torch nor transformers.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from olmoe_viz.errors import ModelError
from olmoe_viz.models.files import BadFiles, weight_files


@dataclass(frozen=True)
class Entry:
    """One model that people can choose.

    `hub_id` is None for the bundled model. `revision` is the commit, branch or tag that is loaded.
    `context` is the most tokens that it reads, `layers` the number of its blocks, `experts` that of
    the experts in each, and `trained_k` how many of them it was trained to use. `download` is about
    how many bytes its files have on the hub, and `memory` how many it needs to be loaded in
    bfloat16; both are 0 for the bundled model. `chat` says that it was tuned on conversations, so
    that a prompt is put into its chat template. `label` is what people see in place of the name,
    `folder` where a checkpoint is that the operator of a server has put there.
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
    chat: bool = False
    label: str = ""
    folder: Path | None = None

    @property
    def title(self) -> str:
        """What people see of it: its label, else its name."""
        return self.label or self.name


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
# As git names commits, branches and tags, without what would lead out of a folder.
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")

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
        revision="6d84c48581ece794365f2b8e9cfb043c68ade9c5",
        description="OLMoE, the base model of September 2024. About 14 GB.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0924-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0924-Instruct",
        revision="7f1c97f440f06ce36705e4f2b843edb5925f4498",
        description="The base model of September 2024, tuned to follow instructions. About 14 GB.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
        chat=True,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125",
        hub_id="allenai/OLMoE-1B-7B-0125",
        revision="9b0c1aa87e34a20052389dce1f0cf01da783f654",
        description="OLMoE, the base model of January 2025. A download of about 28 GB.",
        context=4_096,
        download=27_680_000_000,
        memory=_MEMORY,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0125-Instruct",
        revision="b89a7c4bc24fb9e55ce2543c9458ce0ca5c4650e",
        description="The base model of January 2025, tuned to follow instructions.",
        context=4_096,
        download=13_840_000_000,
        memory=_MEMORY,
        chat=True,
    ),
)


def find(name: str) -> Entry | None:
    """Return the entry of that name, or None; that of `name@revision` has that revision.

    Only models of the hub have revisions. Which ones, the hub alone knows.
    """
    base, at, revision = name.partition("@")
    entry = next((entry for entry in CATALOGUE if entry.name in (name, base)), None)
    if entry is None or not at:
        return entry
    known = entry.hub_id is not None and _REVISION.fullmatch(revision)
    return replace(entry, name=name, revision=revision) if known else None


def with_revision(name: str, revision: str | None) -> str:
    """Return the name of a model under a revision; ModelError where there can be none.

    The catalogue's own revision is the model that has no more than its name.
    """
    if revision is None:
        return name
    entry = find(name)
    if entry is None or entry.hub_id is None:
        raise ModelError(f"{name} has no revisions: leave the revision out.")
    if revision == entry.revision:
        return name
    if "@" in name or find(f"{name}@{revision}") is None:
        raise ModelError(f"{name} has no revision {revision!r}.")
    return f"{name}@{revision}"


def on_disk(entry: Entry) -> OnDisk:
    """Look into the hub's cache for a model of the hub; asks no network."""
    from huggingface_hub import constants  # takes a moment, and the bundled model needs none of it

    cache = Path(constants.HF_HUB_CACHE)
    folder = cache / f"models--{(entry.hub_id or entry.name).replace('/', '--')}"
    there = next(path for path in (cache, *cache.parents) if path.is_dir())
    commit = _commit(folder, entry.revision or "main")
    return OnDisk(
        complete=_complete(folder / "snapshots" / commit),
        arrived=sum(blob.stat().st_size for blob in _blobs(folder, commit)),
        free=shutil.disk_usage(there).free,
        hub_is_off=constants.HF_HUB_OFFLINE,
    )


def _commit(folder: Path, revision: str) -> str:
    """Return the commit that the revision was when it was fetched, or is by its name."""
    try:
        return (folder / "refs" / revision).read_text("utf-8").strip()
    except (OSError, ValueError):
        return revision


def _complete(snapshot: Path) -> bool:
    """Whether a commit has all its weights here."""
    try:
        weight_files(snapshot)
    except (OSError, ValueError, BadFiles):
        return False
    return True


def _blobs(folder: Path, commit: str) -> list[Path]:
    """Return the files that are this commit's, or may be: those that no other commit alone has."""
    own: set[Path] = set()
    others: set[Path] = set()
    for file in folder.glob("snapshots/*/**/*"):
        named = file.relative_to(folder / "snapshots").parts[0]
        (own if named == commit else others).add(file.resolve())
    return [blob for blob in folder.glob("blobs/*") if blob.resolve() not in others - own]


def bundled_path() -> Path:
    """Return the folder of the bundled model's checkpoint."""
    return Path(__file__).parent / BUNDLED
