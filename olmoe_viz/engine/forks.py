"""Where branches leave a text, and what is changed there."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from olmoe_viz.interventions import Intervention

PutPart = Literal["hidden", "attention"]


class Put(NamedTuple):
    """A vector that is added to something of the branch's layer at a token, or put in its place.

    That is the residual stream which enters the layer, or what its attention adds to it.
    """

    part: PutPart
    token: int
    values: Tensor
    replaces: bool


class Variant(NamedTuple):
    """What is changed where a branch begins: `interventions` act on its first token."""

    interventions: tuple[Intervention, ...] = ()
    puts: tuple[Put, ...] = ()


@dataclass(frozen=True, eq=False)
class Fork:
    """Branches that all leave the text at the same token and layer and end before `stop`.

    The layer, counted over all blocks, is the first that they run. One more than the last has the
    stream that leaves it: then nothing is run but the readout.
    """

    layer: int
    first: int
    stop: int
    variants: tuple[Variant, ...]
