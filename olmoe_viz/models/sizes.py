"""How many layers of experts a model has, and experts in each, as known before it is loaded.

Imports neither torch nor transformers.
"""

import json
from pathlib import Path

from olmoe_viz.models.catalogue import find


def known_sizes(name: str) -> tuple[int, int] | None:
    """Return (layers, experts) of a model of the catalogue or of a folder with a checkpoint.

    None where they are not stated in the usual way; loading the model then says what is wrong.
    """
    entry = find(name)
    if entry is not None:
        return entry.layers, entry.experts
    try:
        config = json.loads((Path(name).expanduser() / "config.json").read_text(encoding="utf-8"))
        layers, experts = config["num_hidden_layers"], config["num_experts"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    return (layers, experts) if type(layers) is type(experts) is int else None
