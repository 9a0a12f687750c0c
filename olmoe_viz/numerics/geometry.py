"""The sizes that define a model, as data without torch."""

from dataclasses import dataclass, fields

MAX_LAYERS = 1_000


@dataclass(frozen=True)
class MoeLayer:
    """One layer of experts.

    `layer` counts all blocks of the model from 0, dense ones too. `largest_k` is the most experts
    that its router can choose, `always_on` the number of experts that every token uses besides.
    Raises ValueError when the numbers do not fit together.
    """

    layer: int
    experts: int
    trained_k: int
    largest_k: int
    always_on: int = 0

    def __post_init__(self) -> None:
        _check_whole(self, least={"layer": 0, "always_on": 0})
        if not self.trained_k <= self.largest_k <= self.experts:
            raise ValueError(
                f"A layer of {self.experts} experts cannot have a trained k of {self.trained_k} "
                f"and a largest of {self.largest_k}."
            )


@dataclass(frozen=True)
class Geometry:
    """The sizes of a model; ValueError when they do not fit together.

    `layers` counts all blocks. `hidden` is the width of the residual stream, `intermediate` the
    inner width of one expert, `context` the number of positions the model was made for. `experts`
    is the most that a layer has. `moe_layers` has the facts of each layer of experts, in order;
    left out, every block is one, with all experts to choose from.
    """

    layers: int
    experts: int
    trained_k: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocab: int
    context: int
    moe_layers: tuple[MoeLayer, ...] = ()

    def __post_init__(self) -> None:
        _check_whole(self, least={})
        if self.layers > MAX_LAYERS:
            raise ValueError(f"A model has at most {MAX_LAYERS:,} layers, not {self.layers}.")
        if self.trained_k > self.experts:
            raise ValueError(
                f"A model of {self.experts} experts cannot have a trained k of {self.trained_k}."
            )
        if self.hidden % self.heads:
            raise ValueError(f"A width of {self.hidden} cannot be split over {self.heads} heads.")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} key-value heads.")
        if not self.moe_layers:
            alike = (self.experts, self.trained_k, self.experts)
            every = tuple(MoeLayer(layer, *alike) for layer in range(self.layers))
            object.__setattr__(self, "moe_layers", every)
        ids = self.layer_ids
        if list(ids) != sorted(set(ids)) or ids[-1] >= self.layers:
            raise ValueError("The layers of experts must be in order and in the model.")
        if max(each.experts for each in self.moe_layers) > self.experts:
            raise ValueError(f"A layer cannot have more than the model's {self.experts} experts.")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def layer_ids(self) -> tuple[int, ...]:
        """Place of each layer of experts among all blocks: the first axis of recorded routing."""
        return tuple(each.layer for each in self.moe_layers)


def _check_whole(sizes: Geometry | MoeLayer, least: dict[str, int]) -> None:
    for part in fields(sizes):
        value = getattr(sizes, part.name)
        low = least.get(part.name, 1)
        if part.name == "moe_layers":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ValueError(f"{part.name} must be a whole number from {low}; it is {value!r}.")


OLMOE_1B_7B = Geometry(
    layers=16,
    experts=64,
    trained_k=8,
    hidden=2048,
    intermediate=1024,
    heads=16,
    kv_heads=16,
    vocab=50304,
    context=4096,
)
