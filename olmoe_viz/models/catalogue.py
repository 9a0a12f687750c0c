"""The models that can be loaded by name.

Knows names and places only; imports neither torch nor transformers.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One model that people can choose.

    `hub_id` is None for the bundled model. `revision` is the commit or branch that is loaded unless
    another is asked for. `context` is the most tokens that it reads, `layers` the number of its
    blocks, `experts` that of the experts in each, and `trained_k` how many of them it was trained
    to use.
    """

    name: str
    hub_id: str | None
    revision: str | None
    description: str
    context: int
    layers: int = 16
    experts: int = 64
    trained_k: int = 8


BUNDLED = "olmoe-nano"

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
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0924-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0924-Instruct",
        revision="main",
        description="The base model of September 2024, tuned to follow instructions. About 14 GB.",
        context=4_096,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125",
        hub_id="allenai/OLMoE-1B-7B-0125",
        revision="main",
        description="OLMoE, the base model of January 2025. A download of about 28 GB.",
        context=4_096,
    ),
    Entry(
        name="allenai/OLMoE-1B-7B-0125-Instruct",
        hub_id="allenai/OLMoE-1B-7B-0125-Instruct",
        revision="main",
        description="The base model of January 2025, tuned to follow instructions.",
        context=4_096,
    ),
)


def find(name: str) -> Entry | None:
    """Return the entry of that name, or None."""
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def bundled_path() -> Path:
    """Return the folder of the bundled model's checkpoint."""
    return Path(__file__).parent / BUNDLED
