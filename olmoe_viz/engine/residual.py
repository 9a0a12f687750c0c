"""What the details of a run are computed from: its recorded vectors, back on the device."""

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.inputs import check_details
from olmoe_viz.errors import InputError
from olmoe_viz.families.base import Parts
from olmoe_viz.models.model import Model
from olmoe_viz.records.record import Float32s
from olmoe_viz.records.trace import Trace


def details_of(model: Model, run: Trace) -> tuple[Float32s, Float32s]:
    """Return `run.hidden_states` and `run.attention_outputs`.

    Raises InputError when the run has none, or was recorded with other weights than the model's.
    """
    check_details(model)
    if run.hidden_states is None or run.attention_outputs is None:
        raise InputError('This trace has no hidden states. Record it with detail="full".')
    if run.provenance.digest != model.digest:
        raise InputError(
            f"This was recorded with other weights than those of {model.name}. Run it again."
        )
    return run.hidden_states, run.attention_outputs


def parts_of(model: Model) -> Parts:
    """Return the parts of a model whose details can be computed; InputError for another."""
    check_details(model)
    assert model.parts is not None  # noqa: S101 - what the capability says
    return model.parts


def on_device(model: Model, values: Float32s, device: torch.device) -> Tensor:
    """Return recorded values as the tensor that they were, in the model's dtype."""
    # A copy: the record is read-only, and torch would warn of sharing its memory.
    return torch.from_numpy(np.array(values)).to(device=device, dtype=model.dtype)


def floats(values: Tensor) -> Float32s:
    """Return a tensor as float32 in the host's memory."""
    array: Float32s = values.float().cpu().numpy()
    return array
