"""See which experts an OLMoE model uses for each token, and what changes with their number.

Importing this package changes nothing in the process and loads neither torch nor streamlit: names
that need the model are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from olmoe_viz.errors import EngineError, GenerationError, InputError, ModelError
from olmoe_viz.interventions import Intervention
from olmoe_viz.numerics import costs, routing
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.routed import RoutedRecord
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Patch

if TYPE_CHECKING:
    from olmoe_viz.engine.ablating import AblationPlan, ablate
    from olmoe_viz.engine.calls import (
        coalition,
        compare,
        effects,
        inspect,
        patch,
        reroute,
        stream,
        trace,
    )
    from olmoe_viz.engine.checking import check
    from olmoe_viz.engine.local import LocalEngine
    from olmoe_viz.engine.remote import connect
    from olmoe_viz.models.load import load_model

__all__ = [
    "AblationPlan",
    "Comparison",
    "EngineError",
    "Generation",
    "GenerationError",
    "Geometry",
    "InputError",
    "Intervention",
    "LocalEngine",
    "ModelError",
    "Patch",
    "RoutingPolicy",
    "Trace",
    "ablate",
    "check",
    "coalition",
    "compare",
    "connect",
    "costs",
    "effects",
    "inspect",
    "load_model",
    "patch",
    "reroute",
    "routing",
    "stream",
    "trace",
]

_LAZY = {
    "AblationPlan": "olmoe_viz.engine.ablating",
    "ablate": "olmoe_viz.engine.ablating",
    "LocalEngine": "olmoe_viz.engine.local",
    "check": "olmoe_viz.engine.checking",
    "coalition": "olmoe_viz.engine.calls",
    "compare": "olmoe_viz.engine.calls",
    "connect": "olmoe_viz.engine.remote",
    "effects": "olmoe_viz.engine.calls",
    "inspect": "olmoe_viz.engine.calls",
    "load_model": "olmoe_viz.models.load",
    "patch": "olmoe_viz.engine.calls",
    "reroute": "olmoe_viz.engine.calls",
    "stream": "olmoe_viz.engine.calls",
    "trace": "olmoe_viz.engine.calls",
}


def _drawn(record: Generation | Trace | Comparison) -> str:
    from olmoe_viz.report.notebook import html

    return html(record)


RoutedRecord.drawing = _drawn


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
