"""What `import olmoe_viz as ov` offers; whoever changes it changes this test knowingly."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import olmoe_viz as ov

ROOT = Path(__file__).parent.parent


def run(script: str) -> str:
    """Run a script in a fresh interpreter and return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_public_names():
    assert ov.__all__ == [
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
    assert dir(ov) == ov.__all__


def test_every_public_name_is_there_and_documented():
    for name in ov.__all__:
        assert getattr(ov, name).__doc__, name


def test_the_calls_take_what_the_readme_says():
    parameters = {
        name: list(inspect.signature(getattr(ov, name)).parameters)
        for name in ("trace", "stream", "compare", "inspect", "check")
    }
    assert parameters["trace"][:4] == ["model", "text", "policy", "detail"]
    assert parameters["trace"][-1] == "chat_template"
    generating = ["model", "prompt", "policies", "max_new_tokens", "temperature", "top_p", "seed"]
    assert parameters["stream"] == parameters["compare"] == [*generating, "chat_template"]
    assert parameters["check"] == ["model", "progress", "known_as"]
    assert parameters["inspect"] == ["model", "trace", "layer", "token", "policies"]


def test_errors_are_what_callers_expect_to_catch():
    assert issubclass(ov.InputError, ValueError)
    assert issubclass(ov.ModelError, Exception)
    assert issubclass(ov.EngineError, RuntimeError)
    assert issubclass(ov.GenerationError, ov.EngineError)
    assert ov.GenerationError("broken", ["row"]).generations == ("row",)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ov.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from olmoe_viz import nothing  # noqa: F401


class TestTrace:
    """The name is the function's alone; no module shares it."""

    def test_is_the_function(self):
        assert ov.trace.__module__ == "olmoe_viz.engine.calls"
        assert inspect.isfunction(ov.trace)

    @pytest.mark.parametrize(
        "name", ["trace", "compare", "stream", "inspect", "effects", "load_model"]
    )
    def test_no_module_shares_a_calls_name(self, name: str):
        with pytest.raises(ModuleNotFoundError, match=f"^No module named 'olmoe_viz.{name}'$"):
            importlib.import_module(f"olmoe_viz.{name}")
        assert inspect.isfunction(getattr(ov, name))

    @pytest.mark.parametrize(
        "statements",
        [
            "import olmoe_viz as ov; from olmoe_viz.records.trace import Trace",
            "from olmoe_viz.records.trace import Trace; import olmoe_viz as ov",
            "import olmoe_viz as ov; ov.trace; from olmoe_viz.records.trace import Trace",
            "from olmoe_viz import trace, Trace; import olmoe_viz as ov",
        ],
    )
    def test_is_the_function_in_every_order_of_imports(self, statements: str):
        # The engine, which takes seconds to import, is stood in for.
        run(f"""
import sys, types
function = object()
sys.modules["olmoe_viz.engine.calls"] = types.SimpleNamespace(trace=function)
{statements}
from olmoe_viz import trace
assert trace is ov.trace is function, trace
assert Trace is ov.Trace
assert Trace.__module__ == "olmoe_viz.records.trace"
""")


class TestImporting:
    """A library leaves its host alone."""

    def test_loads_neither_torch_nor_streamlit(self):
        loaded = run("""
import sys
from olmoe_viz import Generation, GenerationError, Geometry, RoutingPolicy, Trace, costs, routing
import olmoe_viz.requests, olmoe_viz.engine.engine
print(*{name.split(".")[0] for name in sys.modules})
""").split()
        assert "olmoe_viz" in loaded
        assert not {"torch", "transformers", "streamlit", "plotly"} & set(loaded)

    def test_changes_no_environment_variable(self):
        run("""
import os
before = dict(os.environ)
import olmoe_viz as ov
assert dict(os.environ) == before
""")

    def test_changes_nothing_in_the_process_when_all_names_are_there_either(self):
        run("""
import locale, os, random, signal, sys, threading
import numpy, torch, transformers

def state():
    return {
        "environment": dict(os.environ),
        "threads of torch": torch.get_num_threads(),
        "threads between operations": torch.get_num_interop_threads(),
        "threads": threading.active_count(),
        "gradients": torch.is_grad_enabled(),
        "type of new tensors": torch.get_default_dtype(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "randomness": (random.getstate(), torch.random.get_rng_state().tolist()),
        "numpy's errors": numpy.geterr(),
        "log level": transformers.logging.get_verbosity(),
        "exceptions": (sys.excepthook, threading.excepthook),
        "signals": signal.getsignal(signal.SIGINT),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
    }

before = state()
import olmoe_viz as ov
for name in ov.__all__:
    getattr(ov, name)
after = state()
for name in before:
    assert after[name] == before[name], (name, before[name], after[name])
""")

    def test_writes_nothing(self):
        assert run("import olmoe_viz as ov; ov.RoutingPolicy(8), ov.Geometry") == ""
