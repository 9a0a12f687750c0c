"""Which decoder writes: a model's GPU kernels where they can, else the plain one."""

from collections.abc import Sequence

from olmoe_viz.engine.decoder import Decoder, PlainDecoder
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy


def decoder_of(
    model: Model, policies: Sequence[RoutingPolicy], sampling: Sampling, prompt: int, limit: int
) -> Decoder:
    """Return what writes up to `limit` tokens after `prompt` tokens, one row for each policy."""
    return PlainDecoder(model, policies, sampling, prompt, limit)
