"""What `import olmoe_viz as ov` offers; whoever changes it changes this test knowingly."""

import subprocess
import sys
from pathlib import Path

import pytest

import olmoe_viz as ov

ROOT = Path(__file__).parent.parent


def test_the_public_names():
    assert ov.__all__ == [
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
    assert dir(ov) == ov.__all__


def test_every_public_name_is_there_and_documented():
    for name in ov.__all__:
        assert getattr(ov, name).__doc__, name


def test_errors_are_what_callers_expect_to_catch():
    assert issubclass(ov.InputError, ValueError)
    assert issubclass(ov.ModelError, Exception)
    assert issubclass(ov.DecodingError, RuntimeError)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ov.nothing  # noqa: B018


def test_trace_is_the_function():
    assert ov.trace.__module__ == "olmoe_viz.engine.recording"


@pytest.mark.parametrize(
    "statements",
    [
        "import olmoe_viz as ov; from olmoe_viz.trace import Trace",
        "from olmoe_viz.trace import Trace; import olmoe_viz as ov",
        "import olmoe_viz.trace; import olmoe_viz as ov; from olmoe_viz.trace import Trace",
        "import olmoe_viz as ov; ov.trace; from olmoe_viz.trace import Trace",
        "from olmoe_viz import trace, Trace; import olmoe_viz as ov",
    ],
)
def test_trace_is_the_function_in_every_order_of_imports(statements: str):
    # The engine, which takes seconds to import, is stood in for.
    script = f"""
import sys, types
function = object()
sys.modules["olmoe_viz.engine.recording"] = types.SimpleNamespace(trace=function)
{statements}
from olmoe_viz import trace
assert trace is ov.trace is function, trace
assert Trace is ov.Trace
assert Trace.__module__ == "olmoe_viz.trace"
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
