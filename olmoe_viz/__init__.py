"""See which experts an OLMoE model uses for each token, and what changes with their number.

Importing this package loads neither torch nor streamlit: names that need the model are imported
when they are first asked for.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from olmoe_viz import costs, routing
from olmoe_viz.costs import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import Generation, Trace

# A thread that waits for its neighbor sleeps instead of spinning. With more work than cores, as in
# a classroom, spinning made decoding 20 times slower. OpenMP reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if TYPE_CHECKING:
    from olmoe_viz.analysis.inspection import inspect
    from olmoe_viz.engine.decoding import DecodingError, compare, stream
    from olmoe_viz.engine.recording import InputError, trace
    from olmoe_viz.models.load import ModelError, load_model

__all__ = [
    "DecodingError",
    "Generation",
    "Geometry",
    "InputError",
    "ModelError",
    "RoutingPolicy",
    "Trace",
    "compare",
    "costs",
    "inspect",
    "load_model",
    "routing",
    "stream",
    "trace",
]

_LAZY = {
    "DecodingError": "olmoe_viz.engine.decoding",
    "InputError": "olmoe_viz.engine.recording",
    "ModelError": "olmoe_viz.models.load",
    "compare": "olmoe_viz.engine.decoding",
    "inspect": "olmoe_viz.analysis.inspection",
    "load_model": "olmoe_viz.models.load",
    "stream": "olmoe_viz.engine.decoding",
    "trace": "olmoe_viz.engine.recording",
}

# Importing the module olmoe_viz.trace above bound its name here. The name belongs to the function:
# without this line `ov.trace` would never reach __getattr__. `from olmoe_viz.trace import Trace`
# does not need it.
globals().pop("trace", None)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
