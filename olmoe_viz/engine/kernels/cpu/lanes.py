"""Sixteen float32 side by side, as a type of numba: the one way in which these kernels add up.

LLVM makes of it one AVX-512 register, two of AVX or four of SSE or NEON. The order of every sum is
written down here, so a result depends neither on the machine's registers nor on the loop around it.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from olmoe_viz.engine.kernels.cpu import LANES

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ONE, _LOG2_E = np.float32(1), np.float32(1.44269504)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_CEPHES = tuple(
    np.float32(value)
    for value in (
        *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
        *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    )
)


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
def divide(_: Any, left: Any, right: Any) -> Any:
    """Return left / right."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.fdiv(*values)

    return _lanes(left, right), build


@intrinsic
def larger(_: Any, left: Any, right: Any) -> Any:
    """Return the larger of each two."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return _larger(builder, *values)

    return _lanes(left, right), build


@intrinsic
def smaller(_: Any, left: Any, right: Any) -> Any:
    """Return the smaller of each two."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *values), *values)

    return _lanes(left, right), build


@intrinsic
def _rounded(_: Any, lanes: Any) -> Any:
    """Return the nearest whole numbers."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        kind, name = ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.nearbyint.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return _lanes(lanes), build


@intrinsic
def _power_of_two(_: Any, lanes: Any) -> Any:
    """Return 2 to the power of whole numbers from -126 to 127, by writing the exponent's bits."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        integers = ir.VectorType(_INT, LANES)
        whole = builder.fptosi(values[0], integers)
        biased = builder.add(whole, ir.Constant(integers, [127] * LANES))
        bits = builder.shl(biased, ir.Constant(integers, [23] * LANES))
        return builder.bitcast(bits, _VECTOR)

    return _lanes(lanes), build


@njit
def exp(x):
    """Return e to the power of each, within two units in the last place from -87 to 88.

    2^n * e^r with |r| <= ln(2) / 2 and the polynomial of Cephes' expf; beyond, as at the ends.
    """
    n, p, r = _parts_of_power(x)
    p = multiply_add(p, r, multiply_add(r, spread(_ONE), spread(_ONE)))
    return multiply_add(p, _power_of_two(n), zeros())


@njit
def exp_above_line(x):
    """Return e to the power of each, less 1 + x: as exact where that is small as elsewhere.

    2^n * (1 + r + p) - 1 - n * ln(2) - r; near 0 n is 0 and this is p.
    """
    n, p, r = _parts_of_power(x)
    p, scale, one = multiply_add(p, r, zeros()), _power_of_two(n), spread(_ONE)
    grown = multiply_add(n, spread(-_LN_2_LOW), multiply_add(n, spread(-_LN_2_HIGH), zeros()))
    above = multiply_add(multiply_add(scale, one, spread(-_ONE)), multiply_add(r, one, one), grown)
    return multiply_add(p, scale, above)


@njit
def _parts_of_power(x):
    """Return n, p and r of e^x = 2^n * (1 + r + p * r)."""
    x = smaller(larger(x, spread(np.float32(-87))), spread(np.float32(88)))
    n = _rounded(multiply_add(x, spread(_LOG2_E), zeros()))
    r = multiply_add(n, spread(-_LN_2_HIGH), x)
    r = multiply_add(n, spread(-_LN_2_LOW), r)
    p = spread(_CEPHES[0])
    for coefficient in _CEPHES[1:]:
        p = multiply_add(p, r, spread(coefficient))
    return n, multiply_add(p, r, zeros()), r


@intrinsic
def total(_: Any, lanes: Any) -> Any:
    """Return the sum: halves are added to halves, 8 and 8, then 4 and 4, 2 and 2, 1 and 1."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        summed = _folded(builder, values[0], 1, type(builder).fadd)
        return builder.extract_element(summed, _INT(0))

    return types.float32(lanes), build


@intrinsic
def largest(_: Any, lanes: Any) -> Any:
    """Return the largest number."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.extract_element(_folded(builder, values[0], 1, _larger), _INT(0))

    return types.float32(lanes), build


@intrinsic
def store_totals(_: Any, array: Any, _start: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write the sums of four, from element `_start` on; cheaper than four times `total`."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, b, c, d = values[2:]
        one = _interleaved_sums(builder, a, b, width=1)  # a, b, a, b ...
        other = _interleaved_sums(builder, c, d, width=1)  # c, d, c, d ...
        both = _interleaved_sums(builder, one, other, width=2)  # a, b, c, d, a, b ...
        summed = _folded(builder, both, 4, type(builder).fadd)
        place = _place(context, builder, signature, values, count=4)
        builder.store(summed, place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b, c, d), build


@intrinsic
def store_block(
    _: Any, array: Any, _start: Any, _apart: Any, a: Any, b: Any, c: Any, d: Any
) -> Any:
    """Write the sums of four tuples of four, a tuple every `_apart` elements from `_start` on.

    Each is summed as by `store_totals`, with fewer steps for all of them.
    """

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows = []
        for four in values[3:]:
            a, b, c, d = cgutils.unpack_tuple(builder, four, 4)
            one = _interleaved_sums(builder, a, b, width=1)
            other = _interleaved_sums(builder, c, d, width=1)
            rows.append(_interleaved_sums(builder, one, other, width=2))
        upper = _interleaved_sums(builder, rows[0], rows[1], width=8)
        lower = _interleaved_sums(builder, rows[2], rows[3], width=8)
        summed = _interleaved_sums(builder, upper, lower, width=4)
        for row, first in enumerate((0, 8, 4, 12)):
            at = builder.add(values[1], builder.mul(values[2], values[2].type(row)))
            place = _place(context, builder, signature, [values[0], at], count=4)
            four = _shuffled(builder, summed, summed, list(range(first, first + 4)))
            builder.store(four, place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, a, b, c, d), build


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


def _folded(builder: Any, lanes: Any, count: int, combine: Any) -> Any:
    """Combine the upper half with the lower until `count` numbers are left."""
    half = LANES
    while half > count:
        half //= 2
        low = _shuffled(builder, lanes, lanes, list(range(half)))
        high = _shuffled(builder, lanes, lanes, list(range(half, 2 * half)))
        lanes = combine(builder, low, high)
    return lanes


def _larger(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


def _shuffled(builder: Any, one: Any, other: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT, len(order)), order)
    return builder.shuffle_vector(one, other, mask)


def _place(context: Any, builder: Any, signature: Any, values: Any, count: int = LANES) -> Any:
    """Return the address of `count` elements of the array in `values`."""
    array = context.make_array(signature.args[0])(context, builder, values[0])
    address = builder.gep(array.data, [values[1]])
    return builder.bitcast(address, ir.VectorType(_FLOAT, count).as_pointer())
