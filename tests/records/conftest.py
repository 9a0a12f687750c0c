"""One record of every kind, made of random numbers, and a file to take apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olmoe_viz import Generation, Geometry, RoutingPolicy, Trace
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.patches import Patches, Routes
from olmoe_viz.records.prediction import Lens, LogitDirections, Predictions
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import Record
from olmoe_viz.records.scores import Scores
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
    CoalitionRequest,
    DirectionsRequest,
    EffectsRequest,
    InspectRequest,
    LensRequest,
    ModelRequest,
    Patch,
    PatchRequest,
    PredictRequest,
    Request,
    RoutesRequest,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
)
from tests.records.files import Rewrite, join, split

RUN = TraceRequest("random", (1, 2, 3, 4), RoutingPolicy(2), "full")
POLICIES = (RoutingPolicy(2), RoutingPolicy(8, "renormalized", 0.03))


@pytest.fixture
def inspection(geometry: Geometry, provenance: Provenance) -> Inspection:
    draw = np.random.default_rng(1)
    outputs, weights = _normal(draw, 3, geometry.hidden), draw.random((2, 3))
    sums = (weights @ outputs).astype(np.float32)
    return Inspection(
        request=InspectRequest(RUN, layer=1, token=3, policies=POLICIES),
        input_norm=2.5,
        experts_shown=3,
        geometry=geometry,
        provenance=provenance,
        router_input=_normal(draw, geometry.hidden),
        router_logits=_normal(draw, geometry.experts),
        router_cosines=draw.normal(size=geometry.experts),
        ids=np.array([7, 0, 2]),
        outputs=outputs,
        active_shares=draw.random(3),
        weights=weights,
        sums=sums,
        block_outputs=sums,
        largest_differences=np.zeros(2),
    )


@pytest.fixture
def attention(geometry: Geometry, provenance: Provenance) -> Attention:
    """The rows of tokens 2 and 3, which look at tokens 1 to 3."""
    weights = np.full((geometry.heads, 2, 3), 0.25, np.float32)
    weights[:, 0, 2] = 0
    request = AttentionRequest(RUN, layer=1, first=2, stop=4, seen_from=1)
    return Attention(request, geometry, provenance, weights)


@pytest.fixture
def predictions(geometry: Geometry, provenance: Provenance) -> Predictions:
    draw = np.random.default_rng(2)
    return Predictions(
        request=PredictRequest(RUN, (0, 3), top=2, detail="logits"),
        top_tokens=((" a", "b"), ("c", "␊")),
        geometry=geometry,
        provenance=provenance,
        top_ids=np.array([[3, 1], [0, 39]]),
        probabilities=np.array([[0.5, 0.25], [0.375, 0.375]]),
        entropies=draw.random(2),
        log_sum_exp=draw.normal(size=2),
        logits=_normal(draw, 2, geometry.vocab),
    )


@pytest.fixture
def lens(geometry: Geometry, provenance: Provenance) -> Lens:
    rows = geometry.layers + 1
    return Lens(
        request=LensRequest(RUN, token=3, top=1),
        tokens=(("a",),) * rows,
        geometry=geometry,
        provenance=provenance,
        ids=np.arange(rows)[:, None],
        probabilities=np.full((rows, 1), 0.5),
        winner_probability=np.linspace(0, 0.5, rows),
        winner_rank=np.arange(rows, 0, -1),
    )


@pytest.fixture
def directions(geometry: Geometry, provenance: Provenance) -> LogitDirections:
    values = np.random.default_rng(3).normal(size=(2, geometry.hidden))
    request = DirectionsRequest(RUN, 3, (5, 6))
    return LogitDirections(request, geometry, provenance, values, values.mean(axis=0))


@pytest.fixture
def scores(geometry: Geometry, provenance: Provenance) -> Scores:
    return Scores(
        request=ScoreRequest("random", "abc", POLICIES, reference=RoutingPolicy(2)),
        tokens=4,
        geometry=geometry,
        provenance=provenance,
        token_ids=np.array([0, 1, 2, 39]),
        token_sizes=np.array([1, 4, 2, 0]),
        nll=np.random.default_rng(4).random((2, 3)),
        kl=np.zeros((2, 4)),
        same_top=np.ones((2, 4), np.uint8),
    )


@pytest.fixture
def effects(geometry: Geometry, provenance: Provenance) -> Effects:
    request = EffectsRequest(RUN, ((1, 3), (2, 0)), continuation=(5,))
    facts = {"top_tokens": ("a", "b"), "new_top_tokens": (("a", "c"), ("b", "b"))}
    return _measured(Effects, request, geometry, provenance, **facts)


@pytest.fixture
def patches(geometry: Geometry, provenance: Provenance) -> Patches:
    request = PatchRequest(RUN, RUN, (Patch(1, (2,)), Patch(0, (0, 3), "hidden")))
    facts = {"top_tokens": ("a", "b"), "run_kl": 0.5}
    return _measured(Patches, request, geometry, provenance, **facts)


@pytest.fixture
def routes(geometry: Geometry, provenance: Provenance) -> Routes:
    facts = {"top_id": 0, "top_token": "a", "top_logprob": -1.0}
    after = {"next_id": 2, "next_logprob": -2.0}
    request = RoutesRequest(RUN, 1, 2, count=4)
    return _measured(Routes, request, geometry, provenance, **facts, **after)


@pytest.fixture
def coalition(geometry: Geometry, provenance: Provenance) -> Coalition:
    facts: dict[str, object] = {"top_id": 0, "top_token": "a", "margin": 0.5, "logprob": -1.0}
    end = {"end_top": 2, "end_token": "b", "end_margin": -0.5, "end_logprob": -2.0}
    steps = {"new_top_tokens": ("a", "b"), "kept": (False, True)}
    facts |= {"layers": np.array(geometry.layer_ids[:2]), **end, **steps}
    return _measured(Coalition, CoalitionRequest(RUN, 2), geometry, provenance, **facts)


def _measured(kind: type[Record], request: Request, *sizes: object, **facts: object) -> Any:
    """Return a record of zeros."""
    known = {"request": request, "geometry": sizes[0], "provenance": sizes[1]} | facts
    arrays = {name: np.zeros(shape, dtype) for name, (dtype, shape) in kind.layout(known).items()}
    return kind(**arrays | known)


@pytest.fixture
def plain_records(geometry: Geometry, provenance: Provenance) -> list[Record]:
    """Records with few arrays or none."""
    time = TimeRequest("random", "abc", RoutingPolicy(2), new_tokens=4, runs=2)
    return [
        Timing(time, provenance, np.array([0.25, 0.5])),
        Bandwidth(BandwidthRequest("random"), 1.5e10, 2**26, 3, "cpu", 2, provenance),
        Bandwidth(BandwidthRequest("random"), 1.5e10, 2**26, 3, "cuda:0", None, provenance),
        ModelFacts(ModelRequest("random"), geometry, 2, ("steer", "details"), provenance),
    ]


@pytest.fixture
def records(
    make_trace: Callable[..., Trace],
    make_generation: Callable[..., Generation],
    inspection: Inspection,
    attention: Attention,
    predictions: Predictions,
    lens: Lens,
    directions: LogitDirections,
    scores: Scores,
    effects: Effects,
    patches: Patches,
    routes: Routes,
    coalition: Coalition,
    plain_records: list[Record],
) -> list[Record]:
    """Every kind of record, those with optional arrays with and without them."""
    return [
        make_trace(),
        make_trace(full=True, policy=RoutingPolicy(None, threshold=0.1)),
        make_generation(),
        make_generation(tokens=0),
        inspection,
        attention,
        predictions,
        lens,
        directions,
        scores,
        effects,
        patches,
        routes,
        coalition,
        *plain_records,
    ]


def _normal(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)


@pytest.fixture
def path(make_trace: Callable[..., Trace], tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    make_trace(full=True).save(path)
    return path


@pytest.fixture
def rewrite(path: Path) -> Rewrite:
    """Change the header of a file, its description, or the facts in it; the checksum is right."""

    def rewritten(
        header: dict | None = None, description: dict | None = None, **facts: object
    ) -> Path:
        parts, data = split(path)
        inner = json.loads(parts["__metadata__"]["olmoe_viz"])
        inner = inner | {"facts": inner["facts"] | facts} | (description or {})
        parts["__metadata__"]["olmoe_viz"] = json.dumps(inner)
        return join(path, parts | (header or {}), data)

    return rewritten
