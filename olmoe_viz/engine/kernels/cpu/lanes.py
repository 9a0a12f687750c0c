"""Sixteen float32 side by side, as a type of numba: the one way in which these kernels add up.

LLVM makes of it one AVX-512 register, two of AVX or four of SSE or NEON. The order of every sum is
written down here, so a result depends neither on the machine's registers nor on the loop around it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from olmoe_viz.engine.kernels.cpu import LANES

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Lanes")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Lanes) -> None:
        super().__init__(manager, kind, _VECTOR)


_lanes = _Lanes()


@intrinsic
def zeros(_: Any) -> Any:
    """Return sixteen zeros."""

    def build(*_: Any) -> Any:
        return ir.Constant(_VECTOR, [0.0] * LANES)

    return _lanes(), build


@intrinsic
def spread(_: Any, _value: Any) -> Any:
    """Return a number sixteen times."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), values[0], _INT(0))
        return _shuffled(builder, first, first, [0] * LANES)

    return _lanes(types.float32), build


@intrinsic
def load(_: Any, array: Any, _start: Any) -> Any:
    """Return sixteen numbers of a contiguous array, from element `_start` on, unchecked."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_place(context, builder, signature, values), align=4)

    return _lanes(array, types.intp), build


@intrinsic
def store(_: Any, array: Any, _start: Any, lanes: Any) -> Any:
    """Write sixteen numbers into a contiguous array, from element `_start` on, unchecked."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _place(context, builder, signature, values), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), build


@intrinsic
def multiply_add(_: Any, left: Any, right: Any, added: Any) -> Any:
    """Return left * right + added, rounded once where the machine can."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return _lanes(left, right, added), build


@intrinsic
def total(_: Any, lanes: Any) -> Any:
    """Return the sum: halves are added to halves, 8 and 8, then 4 and 4, 2 and 2, 1 and 1."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        (summed,), half = values, LANES
        while half > 1:
            half //= 2
            summed = _added_halves(builder, summed, half)
        return builder.extract_element(summed, _INT(0))

    return types.float32(lanes), build


@intrinsic
def store_totals(_: Any, array: Any, _start: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write the sums of four, from element `_start` on; cheaper than four times `total`."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        one = _interleaved_sums(builder, *values[2:4], width=1)  # a, b, a, b ...
        other = _interleaved_sums(builder, *values[4:6], width=1)  # c, d, c, d ...
        summed, half = _interleaved_sums(builder, one, other, width=2), LANES  # a, b, c, d ...
        while half > 4:
            half //= 2
            summed = _added_halves(builder, summed, half)
        place = _place(context, builder, signature, values, count=4)
        builder.store(summed, place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b, c, d), build


def _interleaved_sums(builder: Any, one: Any, other: Any, width: int) -> Any:
    """Add every second run of `width` numbers to the run before it, `one` and `other` in turn."""
    low = [
        at + side + i
        for at in range(0, LANES, 2 * width)
        for side in (0, LANES)
        for i in range(width)
    ]
    high = [at + width for at in low]
    return builder.fadd(_shuffled(builder, one, other, low), _shuffled(builder, one, other, high))


def _added_halves(builder: Any, lanes: Any, half: int) -> Any:
    low = _shuffled(builder, lanes, lanes, list(range(half)))
    high = _shuffled(builder, lanes, lanes, list(range(half, 2 * half)))
    return builder.fadd(low, high)


def _shuffled(builder: Any, one: Any, other: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT, len(order)), order)
    return builder.shuffle_vector(one, other, mask)


def _place(context: Any, builder: Any, signature: Any, values: Any, count: int = LANES) -> Any:
    """Return the address of `count` elements of the array in `values`."""
    array = context.make_array(signature.args[0])(context, builder, values[0])
    address = builder.gep(array.data, [values[1]])
    return builder.bitcast(address, ir.VectorType(_FLOAT, count).as_pointer())
