"""What the analyses take from a full trace, checked against the model that they run it on."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.inputs import InputError
from olmoe_viz.models.load import Model
from olmoe_viz.trace import Generation, Trace

Float32s = NDArray[np.float32]


def residual_stream(model: Model, trace: Trace) -> Float32s:
    """Return `trace.hidden_states`, [layers + 1, tokens, hidden].

    Raises InputError when the trace has none, or was recorded with other weights than the model's.
    """
    return _part(model, trace, trace.hidden_states)


def attention_outputs(model: Model, trace: Trace) -> Float32s:
    """Return `trace.attention_outputs`, [layers, tokens, hidden]; errors as `residual_stream`."""
    return _part(model, trace, trace.attention_outputs)


def present(part: Float32s | None) -> Float32s:
    """Return a part that only a full trace has; InputError for a trace without it."""
    if part is None:
        raise InputError('This trace has no hidden states. Record it with detail="full".')
    return part


def check_layer(trace: Trace, layer: int) -> None:
    """Raise InputError unless the model of the trace has that layer, counted from 0."""
    _check("layer", layer, trace.geometry.layers)


def check_token(trace: Trace, token: int) -> None:
    """Raise InputError unless the trace has that token, counted from 0."""
    _check("token", token, len(trace.tokens))


def on_device(model: Model, values: Float32s, device: torch.device) -> Tensor:
    """Return recorded values as the tensor that they were, in the model's dtype."""
    # A copy: the record is read-only, and torch would warn of sharing its memory.
    return torch.from_numpy(np.array(values)).to(device=device, dtype=model.dtype)


def check_weights(model: Model, record: Trace | Generation) -> None:
    """Raise InputError unless the record was made with the weights of `model`."""
    if record.provenance.digest != model.digest:
        raise InputError(
            f"This was recorded with other weights than those of {model.name}. Run it again."
        )


def _part(model: Model, trace: Trace, part: Float32s | None) -> Float32s:
    recorded = present(part)
    check_weights(model, trace)
    return recorded


def _check(what: str, index: int, count: int) -> None:
    if not 0 <= index < count:
        raise InputError(f"The {what} must be from 0 to {count - 1}; it is {index}.")
