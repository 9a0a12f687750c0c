"""A second thread that takes half of the work where it comes in time.

Of every piece of work there is a flag. The first thread opens it and does its own half; whoever
then takes the flag does the other. So the first waits only for work that the second has begun:
where another program keeps the second from running, nothing is lost.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

OPEN, TAKEN, DONE = 1, 2, 3  # 0: not yet open
_INT64 = ir.IntType(64)


@intrinsic
def read(_: Any, flags: Any, _at: Any) -> Any:
    """Return a flag, and all that was written before it was set."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, values), "acquire", 8)

    return types.int64(flags, types.intp), build


@intrinsic
def write(_: Any, flags: Any, _at: Any, _value: Any) -> Any:
    """Set a flag after all that was written before."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        builder.store_atomic(values[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(flags, types.intp, types.int64), build


@intrinsic
def take(_: Any, flags: Any, _at: Any) -> Any:
    """Take an open flag; return whether nobody was faster."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        found = builder.cmpxchg(place, _INT64(OPEN), _INT64(TAKEN), "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return types.boolean(flags, types.intp), build


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.gep(array.data, [values[1]])
