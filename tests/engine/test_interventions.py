"""Interventions in the pass, held against the model written out expert by expert."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import olmoe_viz as ov
from olmoe_viz.engine.hooked_runner import HookedRunner
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.interventions import LOST_MASS, Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

IDS = [40, 7, 99, 200, 12]
LAYERS, EXPERTS, TRAINED = 3, 64, 8
few = st.lists(st.integers(0, EXPERTS - 1), min_size=1, max_size=12).map(tuple)
where = st.none() | st.lists(st.integers(0, LAYERS - 1), min_size=1, max_size=2).map(tuple)
tokens = st.sampled_from(["all", "prompt", "generated", (0, 3)])
interventions = st.one_of(
    st.builds(
        Intervention,
        st.sampled_from(["off", "route_around", "force", "add"]),
        where,
        few,
        tokens,
    ),
    st.builds(
        Intervention,
        st.just("keep_only"),
        where,
        st.just(tuple(range(EXPERTS))).map(lambda all_of_them: all_of_them[::2]),
        tokens,
    ),
    st.builds(lambda e, t: Intervention("swap", None, e, t, to=63), st.integers(0, 62), tokens),
    st.builds(
        lambda w, e, t, a: Intervention("bias", w, e, t, amount=a),
        where,
        few,
        tokens,
        st.sampled_from([-3.0, 0.5, 4.0]),
    ),
)
policies = st.builds(
    RoutingPolicy,
    st.sampled_from([1, 4, TRAINED, (2, 9, 8)]),
    st.sampled_from(WEIGHTINGS),
    st.sampled_from([0.0, 0.05]),
    st.lists(interventions, min_size=1, max_size=3).map(tuple),
    st.sampled_from(LOST_MASS),
)


def by_hand(logits: Tensor, policy: RoutingPolicy, layer: int, token: int) -> dict[int, float]:
    """Return the weight of every expert that runs for one token of a prompt."""
    acting = [
        each
        for each in policy.interventions
        if each.acts_in(layer) and each.acts_at(token, "prompt")
    ]
    k = policy.ks(LAYERS, EXPERTS)[layer]

    def of(what: str) -> set[int]:
        return {expert for each in acting if each.what == what for expert in each.experts}

    def choose(scores: list[float], allowed: set[int]) -> list[int]:
        ranked = sorted(allowed, key=lambda expert: (-scores[expert], expert))
        return [e for rank, e in enumerate(ranked[:k]) if rank == 0 or scores[e] >= threshold]

    threshold = float(np.float32(policy.threshold))
    everyone = set(range(EXPERTS))
    scores = logits.softmax(-1).tolist()
    chosen = choose(scores, everyone)
    mass = sum(scores[expert] for expert in chosen)
    anchor = sum(sorted(scores, reverse=True)[:TRAINED])
    scale = {"native": 1.0, "renormalized": 1 / mass, "gain_anchored": anchor / mass}
    scale_of_policy = scale[policy.weighting]
    own = {expert: scores[expert] * scale_of_policy for expert in chosen}

    pushed = logits.double().clone()
    allowed = everyone - of("route_around")
    for each in acting:
        if each.what == "bias":
            pushed[list(each.experts)] += each.amount
        if each.what == "keep_only":
            allowed &= set(each.experts)
    scores = pushed.float().softmax(-1).tolist()
    chosen = choose(scores, allowed)
    forced = of("force")
    others = [expert for expert in chosen if expert not in forced]
    chosen = [*forced, *others[: max(len(chosen) - len(forced), 0)]]
    weights = {expert: scores[expert] * scale_of_policy for expert in {*chosen, *of("add")}}
    moves = {e: each.to for each in acting if each.what == "swap" for e in each.experts}
    moved: dict[int, float] = {}
    for expert, weight in weights.items():
        target = moves.get(expert, expert)
        moved[target] = moved.get(target, 0) + weight
    weights = {expert: 0.0 if expert in of("off") else weight for expert, weight in moved.items()}
    total = sum(weights.values())
    if weights != own and total > 0 and policy.lost_mass != "drop":
        goal = sum(own.values()) if policy.lost_mass == "restore" else 1.0
        weights = {expert: weight * goal / total for expert, weight in weights.items()}
    return weights


def added_by_hand(model: Model, layer: int, vector: Tensor, weights: dict[int, float]) -> Tensor:
    """Return the weighted sum of expert outputs, from the checkpoint's matrices."""
    experts = model.module.model.layers[layer].mlp.experts
    total = torch.zeros_like(vector)
    for expert, weight in weights.items():
        gate, up = (experts.gate_up_proj[expert] @ vector).chunk(2)
        total += weight * (experts.down_proj[expert] @ (F.silu(gate) * up))
    return total


@torch.inference_mode()
def read(model: Model, rows: list[RoutingPolicy]) -> tuple[Tensor, dict[str, np.ndarray]]:
    runner, taps = runner_of(model), Taps(len(rows), "hidden_states", "attention_outputs")
    state = runner.open(len(rows), 8)
    places = range(len(rows)), [0] * len(rows)
    hidden = runner.step(state, [IDS] * len(rows), *places, runner.plan(rows), taps)
    return hidden, taps.arrays()


@given(rows=st.lists(policies, min_size=1, max_size=3))
def test_every_plan_is_the_layer_written_out(model: Model, rows: list[RoutingPolicy]) -> None:
    try:
        for policy in rows:
            policy.widths(model.geometry.layer_ids, EXPERTS)
    except ValueError:
        return
    _, found = read(model, rows)
    for row, policy in enumerate(rows):
        for layer in range(LAYERS):
            block = model.module.model.layers[layer]
            for token in range(len(IDS)):
                logits = torch.from_numpy(found["router_logits"][row, layer, token])
                expected = by_hand(logits, policy, layer, token)
                ids = found["expert_ids"][row, layer, token]
                weights = found["weights"][row, layer, token]
                assert {*ids[ids >= 0].tolist()} == expected.keys()
                assert (np.diff(weights) <= 0).all()
                np.testing.assert_allclose(
                    weights[ids >= 0], [expected[e] for e in ids[ids >= 0]], rtol=2e-4, atol=1e-7
                )
                entering, leaving = torch.from_numpy(
                    found["hidden_states"][row, layer : layer + 2, token]
                )
                attended = torch.from_numpy(found["attention_outputs"][row, layer, token])
                with torch.no_grad():
                    vector = block.post_attention_layernorm(entering + attended)
                    added = added_by_hand(model, layer, vector, expected)
                torch.testing.assert_close(
                    leaving, entering + attended + added, rtol=1e-3, atol=1e-4
                )


@pytest.mark.parametrize("mass", LOST_MASS)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_what_changes_nothing_changes_nothing_to_the_bit(
    model: Model, weighting: ov.policy.Weighting, mass: ov.interventions.LostMass
) -> None:
    plain = RoutingPolicy(8, weighting)
    hidden, found = read(model, [plain] * 2)
    unchosen = sorted({*range(64)} - {*found["expert_ids"][0, 1].flatten().tolist()})
    off = RoutingPolicy(8, weighting, 0, (Intervention("off", 1, unchosen),), mass)
    for other in (off, RoutingPolicy(8, weighting, lost_mass=mass)):
        again, others = read(model, [other] * 2)
        assert torch.equal(hidden, again)
        for name, values in found.items():
            np.testing.assert_array_equal(values, others[name])


def test_neighbours_in_a_batch_are_left_alone(model: Model) -> None:
    plain = RoutingPolicy(8)
    loud = RoutingPolicy(
        8, interventions=(Intervention("off", None, range(32)), Intervention("add", 1, (1, 2)))
    )
    alone, before = read(model, [plain, plain])
    beside, found = read(model, [plain, loud])
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(before["expert_ids"][0], found["expert_ids"][0, :, :, :8])
    assert not torch.allclose(alone[1], beside[1])
    assert (found["expert_ids"][0, :, :, 8:] == -1).all()


def test_both_passes_do_the_same(model: Model, make_hooked: Callable[[], HookedRunner]) -> None:
    rows = [
        RoutingPolicy(
            8,
            "gain_anchored",
            interventions=tuple(map(Intervention.parse, texts.split())),
            lost_mass=mass,
        )
        for texts, mass in (
            ("off:*.0-20 bias:1.4_5~2.5@1_3", "restore"),
            ("route_around:0-1.0-31 add:2.7", "renormalize"),
            ("swap:*.5~63 force:0.9_10 keep_only:2.0-9", "drop"),
        )
    ]
    hooked = make_hooked()
    states = []
    for runner in (runner_of(model), hooked):
        taps, state = Taps(3), runner.open(3, 8)
        with torch.inference_mode():
            for ids, start, phase in ((IDS, 0, "prompt"), ([5], 5, "generated")):
                plan = runner.plan(rows, phase)
                hidden = runner.step(state, [ids] * 3, range(3), [start] * 3, plan, taps)
        states.append(hidden)
    torch.testing.assert_close(*states, rtol=1e-4, atol=1e-4)


@pytest.fixture
def make_hooked(model: Model, request: pytest.FixtureRequest) -> Callable[[], HookedRunner]:
    def make() -> HookedRunner:
        made = HookedRunner(model)
        request.addfinalizer(made.close)
        return made

    return make


def test_only_the_generated_tokens_are_changed(model: Model) -> None:
    """The prompt is read as it is, and the tokens after it by another route."""
    plain = RoutingPolicy(8)
    away = RoutingPolicy(8, interventions=(Intervention("off", None, range(64), "generated"),))
    one, other = ov.compare(model, IDS, [plain, away], max_new_tokens=4)
    np.testing.assert_array_equal(one.prompt_weights, other.prompt_weights)
    assert one.token_ids[0] == other.token_ids[0]  # chosen after the prompt
    assert not other.weights.any()
    assert (other.expert_ids >= 0).all()


def test_a_record_has_columns_for_what_is_added(model: Model) -> None:
    more = RoutingPolicy(8, interventions=(Intervention("add", 1, (1, 2, 3), (0,)),))
    run = ov.trace(model, IDS, more)
    assert run.expert_ids.shape == (3, 5, 11)
    assert {1, 2, 3} <= {*run.expert_ids[1, 0].tolist()}
    assert (run.expert_ids[[0, 2], :, 8:] == -1).all()
    assert ov.RoutingPolicy.parse(str(more)) == run.policy


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("off:7.3", "layer 7, which has no experts"),
        ("off:1.64", "not one of 64"),
        ("keep_only:1.3 route_around:1.3", "leave no expert to choose in layer 1"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(model: Model, texts: str, said: str) -> None:
    policy = RoutingPolicy(8, interventions=tuple(map(Intervention.parse, texts.split())))
    with pytest.raises(ov.InputError, match=said):
        ov.trace(model, IDS, policy)
