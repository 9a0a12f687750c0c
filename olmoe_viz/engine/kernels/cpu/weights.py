"""A model's own memory as the compiled step reads it: addresses, of which nothing is copied."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from olmoe_viz.engine.cache import KvCache
from olmoe_viz.families.base import Parts, Site
from olmoe_viz.numerics.geometry import Geometry

# One block's matrices, [out, in] each.
LAYER = np.dtype(
    [
        (name, np.intp)
        for name in (
            *("norm_in", "query", "key", "value", "norm_q", "norm_k", "output"),
            *("norm_mid", "router", "gate_up", "down"),
        )
    ]
)
ENTRIES = np.dtype([("keys", np.intp), ("values", np.intp)])
Floats = NDArray[np.float32]


class Sizes(NamedTuple):
    """The sizes and numbers of a model; `limit` is infinite where nothing is clamped."""

    hidden: int
    heads: int
    kv_width: int
    experts: int
    inner: int
    trained_k: int
    scaling: np.float32
    epsilon: np.float32
    limit: np.float32


class Weights(NamedTuple):
    """A model; `layers` has the addresses `LAYER`, `cosines` [positions, head_dim / 2]."""

    embed: Floats
    layers: NDArray[Any]
    norm: Floats
    head: Floats
    cosines: Floats
    sines: Floats


def sizes_of(geometry: Geometry, parts: Parts) -> Sizes:
    """Return the sizes of a model."""
    block = parts.blocks[0]
    return Sizes(
        hidden=geometry.hidden,
        heads=block.heads,
        kv_width=block.kv_heads * block.head_dim,
        experts=geometry.experts,
        inner=geometry.intermediate,
        trained_k=geometry.trained_k,
        scaling=np.float32(block.scaling),
        epsilon=np.float32(block.epsilon),
        limit=np.float32(np.inf if block.limit is None else block.limit),
    )


def weights_of(parts: Parts, sites: Sequence[Site], positions: int) -> Weights:
    """Return a model's weights, which must stay where they are as long as these are used."""
    steps = torch.arange(positions).unsqueeze(0)
    cosines, sines = parts.rotary(torch.empty(0, dtype=torch.float32), steps)
    half = cosines.shape[-1] // 2  # the two halves of the table are equal
    layers = [_addresses(block, site) for block, site in zip(parts.blocks, sites, strict=True)]
    return Weights(
        embed=_array(parts.embed.weight),
        layers=np.array(layers, LAYER),
        norm=_array(parts.norm.weight),
        head=_array(parts.head.weight),
        cosines=_array(cosines[0, :, :half].contiguous()),
        sines=_array(sines[0, :, :half].contiguous()),
    )


def entries_of(cache: KvCache) -> NDArray[Any]:
    """Return where the keys and values of each layer are."""
    layers = [tuple(each.data_ptr() for each in pair) for pair in cache.layers]
    return np.array(layers, ENTRIES)


def _addresses(block: Any, site: Any) -> tuple[int, ...]:
    experts = {"gate_up": site.experts.gate_up_proj, "down": site.experts.down_proj}
    of = {name: getattr(block, name).weight for name in LAYER.names or () if hasattr(block, name)}
    of |= experts | {"router": site.router.weight}
    return tuple(_array(of[name]).ctypes.data for name in LAYER.names or ())


def _array(tensor: Any) -> Floats:
    """Return a view of a tensor; ValueError where its memory is not in one float32 piece."""
    if tensor.dtype != torch.float32 or not tensor.is_contiguous():
        raise ValueError("a matrix is not contiguous float32")
    array: Floats = tensor.detach().numpy()
    return array


@intrinsic
def _pointer(_: Any, address: Any) -> Any:
    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(address), build


@njit
def view(address, shape):
    """Return the float32 array of a shape that lies at an address."""
    return carray(_pointer(address), shape)
