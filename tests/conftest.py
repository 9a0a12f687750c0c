"""The short and the long form of the tests; records of random numbers, where no model is needed."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from olmoe_viz import Generation, Geometry, RoutingPolicy, Trace
from olmoe_viz import settings as settings_of_server
from olmoe_viz.numerics import routing
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import GenerateRequest, TraceRequest
from tests.installation import Installation, installed

TEXT = "Süß 🙂!"
# Two workers and their servers run side by side: threads of one would only wait for the others'.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What a server offers where there is a GPU, here too.
os.environ.setdefault(settings_of_server.variable("models"), "catalogue")
settings.register_profile("short", max_examples=30, deadline=None)
settings.register_profile("long", max_examples=500, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="all widths and themes, hundreds of random examples, every mutation (make test-long)",
    )


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("long") else "short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked as long, unless it is asked for; begin with what is marked early."""
    left_out = [
        item for item in items if item.get_closest_marker("long") and not config.getoption("long")
    ]
    config.hook.pytest_deselected(items=left_out)
    kept = [item for item in items if item not in set(left_out)]
    items[:] = _dealt(kept, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Put what is marked as early where the workers begin, each with its share of the list.

    The first worker's share has the tests in a browser, which take as long, so it gets none.
    """
    early = [item for item in items if item.get_closest_marker("early")]
    rest = [item for item in items if not item.get_closest_marker("early")]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = early[worker - 1 :: workers - 1] if worker else early if workers == 1 else []
        room = (len(items) - len(ordered)) // (workers - worker) - len(share)
        ordered += [*share, *rest[: max(room, 0)]]
        del rest[: max(room, 0)]
    return ordered + rest


@pytest.fixture(scope="session")
def in_full(request: pytest.FixtureRequest) -> bool:
    """Whether a test that goes through many cases goes through all of them."""
    return bool(request.config.getoption("long"))


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets what an operator can; what it is not given has its default."""

    def put(**values: object) -> None:
        chosen = settings_of_server.Settings(**values)
        monkeypatch.setattr(settings_of_server, "current", lambda: chosen)

    return put


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """Return a function whose block can write no byte to any file, as where a disk is full."""

    @contextmanager
    def full() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Installation:
    """The wheel, built and installed once for all workers."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "installation"
    with FileLock(f"{folder}.lock"):
        return installed(folder)


@pytest.fixture
def geometry() -> Geometry:
    """Three layers of eight experts; fewer words than the next tokens that a trace lists."""
    return Geometry(
        layers=3,
        experts=8,
        trained_k=2,
        hidden=12,
        intermediate=6,
        heads=2,
        kv_heads=2,
        vocab=40,
        context=32,
    )


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        model="random",
        revision=None,
        digest="sha256:00",
        dtype="float32",
        device="cpu",
        runner="none",
        versions={"numpy": np.__version__},
        created="2026-01-02T03:04:05+00:00",
        seconds=0.25,
    )


@pytest.fixture
def make_trace(geometry: Geometry, provenance: Provenance) -> Callable[..., Trace]:
    """Return a function that makes a trace of one byte a token; keywords replace its parts.

    `policy` and `full` go into its request; what ran follows from its router logits.
    """

    def make(
        *, full: bool = False, seed: int = 0, policy: RoutingPolicy | None = None, **parts: object
    ) -> Trace:
        token_bytes = tuple(bytes([byte]) for byte in TEXT.encode())
        sizes = parts.get("geometry", geometry)
        policy = policy or RoutingPolicy(2)
        draw = np.random.default_rng(seed)
        next_logits = -np.sort(-draw.normal(size=sizes.vocab)).astype(np.float32)
        values: dict[str, object] = {
            "text": TEXT,
            "token_ids": draw.integers(0, sizes.vocab, len(token_bytes)),
            "tokens": tuple(map(display_token, token_bytes)),
            "token_bytes": token_bytes,
            "next_ids": draw.permutation(sizes.vocab),
            "next_logits": next_logits,
            "next_tokens": tuple(str(number) for number in range(sizes.vocab)),
            "log_sum_exp": float(np.log(np.exp(next_logits.astype(float)).sum())),
            "geometry": sizes,
            "provenance": provenance,
        }
        values |= parts
        tokens, layers = len(values["tokens"]), sizes.layers
        values.setdefault("router_logits", _normal(draw, layers, tokens, sizes.experts))
        values.setdefault("hidden_norms", np.abs(_normal(draw, layers + 1, tokens)))
        detail = "full" if full else "routing"
        values.setdefault("request", TraceRequest("random", str(values["text"]), policy, detail))
        _add_what_ran(values, policy, sizes)
        if full:
            shape = (layers + 1, tokens, sizes.hidden)
            values.setdefault("hidden_states", _normal(draw, *shape))
            values.setdefault("attention_outputs", _normal(draw, layers, *shape[1:]))
        return Trace(**values)

    return make


@pytest.fixture
def make_generation(geometry: Geometry, provenance: Provenance) -> Callable[..., Generation]:
    """Return a function that makes a generation of `tokens` tokens; keywords replace its parts.

    `policy` becomes the only one of its request; what ran follows from its router logits.
    """

    def make(
        *, tokens: int = 4, seed: int = 0, policy: RoutingPolicy | None = None, **parts: object
    ) -> Generation:
        draw = np.random.default_rng(seed)
        sizes = parts.get("geometry", geometry)
        policy = policy or RoutingPolicy((1, 2, 8), "renormalized")
        values: dict[str, object] = {
            "request": GenerateRequest("random", "one two", (policy,), tokens or 1, seed=seed),
            "row": 0,
            "prompt": "one two",
            "prompt_tokens": 2,
            "prompt_ids": np.array([1, 2]),
            "token_ids": draw.integers(0, sizes.vocab, tokens),
            "tokens": tuple("abcdefgh"[:tokens]),
            "text": "abcdefgh"[:tokens],
            "logprobs": -np.abs(_normal(draw, tokens)),
            "router_logits": _normal(draw, sizes.layers, tokens, sizes.experts),
            "prompt_router_logits": _normal(draw, sizes.layers, 2, sizes.experts),
            "seconds": 0.5,
            "prefill_seconds": 0.125,
            "finish": "length",
            "geometry": sizes,
            "provenance": provenance,
        }
        values |= parts
        _add_what_ran(values, policy, sizes)
        _add_what_ran(values, policy, sizes, "prompt_")
        return Generation(**values)

    return make


def _add_what_ran(
    values: dict[str, object], policy: RoutingPolicy, geometry: Geometry, prefix: str = ""
) -> None:
    probabilities = routing.probabilities(values[f"{prefix}router_logits"])
    ids, weights = routing.select(probabilities, policy, geometry.trained_k)
    values.setdefault(f"{prefix}expert_ids", ids.astype(np.int16))
    values.setdefault(f"{prefix}weights", weights.astype(np.float32))


def _normal(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)
