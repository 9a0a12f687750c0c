"""Dense arrays under the names that TransformerLens gives to the same values, as a NumPy `.npz`.

For layer l, `blocks.l.mlp.hook_expert_weights` is float32 [tokens, experts], the softmax over all
experts before any is chosen, and `blocks.l.mlp.hook_expert_indices` int64 [tokens, largest k], the
chosen experts, strongest first. That is what its hooks hold when they fire (the comment beside them
there speaks of the selected weights). A token with fewer experts ends in -1.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.run import Run


def arrays(run: Run) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """Return the arrays of all layers by name."""
    found: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    probabilities = run.probabilities().astype(np.float32)
    for row, layer in enumerate(run.geometry.layer_ids):
        found[f"blocks.{layer}.mlp.hook_expert_weights"] = probabilities[row]
        found[f"blocks.{layer}.mlp.hook_expert_indices"] = run.expert_ids[row].astype(np.int64)
    return found


def write(path: Path, run: Run) -> None:
    """Write the arrays; OSError from the file system."""
    with path.open("wb") as file:  # by a path, NumPy would add a suffix of its own
        np.savez(file, allow_pickle=False, **arrays(run))
