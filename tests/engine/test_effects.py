"""Effects, patches and other routes, held against plain runs with and without an expert."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.engine import compiled_branches
from olmoe_viz.engine.differences import Difference, changes, difference
from olmoe_viz.engine.engine import Ask
from olmoe_viz.errors import CancelledError
from olmoe_viz.interventions import Intervention, LostMass
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.divergence import kl_divergence, log_softmax
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import (
    EffectsRequest,
    Patch,
    PatchRequest,
    PredictRequest,
    RoutesRequest,
    TraceRequest,
)

IDS = (40, 7, 99, 200, 12, 300, 41)
OTHER = (41, 7, 98, 200, 11, 300, 41)
LAYER, TOKEN = 1, 3


def logits(ask: Ask, model: Model, ids: tuple[int, ...], policy: RoutingPolicy) -> np.ndarray:
    """Return what a plain run predicts after its last token."""
    run = TraceRequest(model.name, ids, policy, "full")
    found = ask(PredictRequest(run, (len(ids) - 1,), detail="logits"))
    assert found.logits is not None
    return found.logits[0]


def run_of(model: Model, policy: RoutingPolicy | None = None) -> TraceRequest:
    return TraceRequest(model.name, IDS, policy or RoutingPolicy(8))


@pytest.mark.parametrize(
    ("away", "read", "policy"),
    [
        ("off", "own", RoutingPolicy(8)),
        ("off", "last", RoutingPolicy(4, "gain_anchored", lost_mass="restore")),
        ("route_around", "own", RoutingPolicy(8, threshold=0.05, lost_mass="renormalize")),
        ("off", "own", RoutingPolicy(8, interventions=(Intervention("off", (0, 2), range(20)),))),
    ],
)
def test_an_effect_is_the_difference_of_two_plain_runs(
    ask: Ask, model: Model, away: str, read: str, policy: RoutingPolicy
) -> None:
    request = EffectsRequest(
        run_of(model, policy),
        ((LAYER, TOKEN), (2, 0), (0, TOKEN)),
        away,
        read,
        (5, 9) if read == "last" else (5,),
        controls=False,
    )
    found = ask(request)
    for row, (layer, token) in enumerate(request.cells):
        ids = IDS if read == "last" else IDS[: token + 1]
        plain = logits(ask, model, ids, policy)
        assert found.read_at[row] == len(ids) - 1
        assert found.top_ids[row] == plain.argmax()
        for column, expert in enumerate(found.expert_ids[row].tolist()):
            if expert < 0:
                assert found.ranks[row, column] == 0
                continue
            gone = Intervention(away, layer, expert, (token,))
            other = replace(policy, interventions=(*policy.interventions, gone))
            without = logits(ask, model, ids, other)
            np.testing.assert_allclose(
                found.kl[row, column], kl_divergence(plain, without), rtol=1e-3, atol=1e-6
            )
            top = plain.argmax()
            change = log_softmax(without)[top] - log_softmax(plain)[top]
            np.testing.assert_allclose(
                found.logprob_changes[row, column], change, rtol=1e-3, atol=1e-4
            )
            assert found.ranks[row, column] == 1 + (without > without[top]).sum()
            assert found.new_tops[row, column] == without.argmax()
            new = display_token(model.token_bytes.of(int(without.argmax())))
            assert found.new_top_tokens[row][column] == new
            said = 0.0
            for at, follows in enumerate(request.continuation):
                more = (*ids, *request.continuation[:at])
                said += log_softmax(logits(ask, model, more, other))[follows]
                said -= log_softmax(logits(ask, model, more, policy))[follows]
            np.testing.assert_allclose(
                found.continuation_changes[row, column], said, rtol=1e-3, atol=1e-4
            )


def test_controls_are_the_nearest_weight_elsewhere_and_random_directions(
    ask: Ask, model: Model
) -> None:
    cells = ((LAYER, TOKEN), (LAYER, 5))
    found = ask(EffectsRequest(run_of(model), cells))
    trace = ask(run_of(model))
    everywhere = ask(
        EffectsRequest(
            run_of(model), tuple((LAYER, token) for token in range(len(IDS))), controls=False
        )
    )
    for row, (_, token) in enumerate(cells):
        for column in range(8):
            apart = np.abs(trace.weights[LAYER] - found.weights[row, column])
            apart[token] = np.inf
            near, other = np.unravel_index(apart.argmin(), apart.shape)
            assert found.matched_tokens[row, column] == near
            assert found.matched_ids[row, column] == trace.expert_ids[LAYER, near, other]
            np.testing.assert_allclose(
                found.matched_kl[row, column], everywhere.kl[near, other], rtol=1e-3, atol=1e-7
            )
    low, high = found.band()
    assert (low < high).all()
    assert (found.random_kl > 0).all()
    again = ask(EffectsRequest(run_of(model), cells, seed=1))
    np.testing.assert_allclose(again.kl, found.kl, rtol=1e-3, atol=1e-8)
    assert np.isclose(again.random_kl, found.random_kl).mean() < 0.01


@torch.inference_mode()
def test_a_random_control_takes_away_as_much_as_the_expert_adds(ask: Ask, model: Model) -> None:
    """The last layer's residual stream, moved by hand along the directions of the seed."""
    run = TraceRequest(model.name, IDS, RoutingPolicy(8), "full")
    found = ask(EffectsRequest(run, ((2, TOKEN),), seed=3))
    vectors = np.random.default_rng(3).standard_normal((20, model.geometry.hidden))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    entering = torch.from_numpy(ask(run).hidden_states[-1, TOKEN].copy())
    for column in range(8):
        moved = entering - torch.from_numpy(vectors * found.shares[0, column]).float()
        heads = model.module.lm_head(model.module.model.norm(torch.stack([entering, *moved])))
        plain, *others = heads.numpy()
        expected = [kl_divergence(plain, other) for other in others]
        np.testing.assert_allclose(found.random_kl[0, column], expected, rtol=2e-3, atol=1e-7)


def test_many_cells_go_in_pieces_with_progress_and_can_be_stopped(model: Model) -> None:
    cells = tuple((layer, token) for layer in range(3) for token in range(len(IDS)))
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        seen.append((done, total))
        if done > 1000:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        ov.effects(model, IDS, cells, progress=watch)
    text, *branches = seen
    assert text == (0, len(IDS))
    assert [done for done, _ in branches] == sorted({done for done, _ in branches})
    assert {total for _, total in branches} == {len(cells) * 8 * 21}


@pytest.mark.parametrize("part", ["experts", "attention", "hidden"])
def test_a_run_put_into_itself_changes_nothing(ask: Ask, model: Model, part: str) -> None:
    patches = tuple(Patch(layer, (0, TOKEN), part) for layer in range(3))
    found = ask(PatchRequest(run_of(model), run_of(model), patches))
    np.testing.assert_allclose(found.kl, 0, atol=1e-9)
    np.testing.assert_allclose(found.logprobs, found.run_logprobs[[1] * 3], atol=1e-5)
    assert not found.recovery().any()


def test_the_whole_stream_of_a_layer_makes_the_target_the_source(ask: Ask, model: Model) -> None:
    everywhere = tuple(range(len(IDS)))
    source, target = run_of(model), TraceRequest(model.name, OTHER, RoutingPolicy(8))
    patches = (
        Patch(2, everywhere, "hidden"),
        Patch(0, everywhere, "hidden"),
        Patch(2, (6,)),
        *(Patch(2, (6,), expert=expert) for expert in range(64)),
    )
    found = ask(PatchRequest(source, target, patches))
    np.testing.assert_allclose(found.recovery()[:2], 1, atol=1e-4)
    np.testing.assert_allclose(found.kl[:2], 0, atol=1e-9)
    assert abs(found.recovery()[2] - 1) > 0
    # An expert that ran in neither run has no share to exchange.
    ran = {*ask(source).expert_ids[2, 6].tolist(), *ask(target).expert_ids[2, 6].tolist()}
    idle = [3 + expert for expert in range(64) if expert not in ran]
    np.testing.assert_allclose(found.logprobs[idle], found.run_logprobs[[1] * len(idle)], atol=1e-5)
    assert len(np.unique(found.kl.round(9))) > len(ran) / 2


def test_other_routes_cost_as_much_and_run(ask: Ask, model: Model) -> None:
    found = ask(RoutesRequest(run_of(model), LAYER, TOKEN, count=6, seed=2))
    assert found.expert_ids.shape == (6, 8)
    assert len({tuple(sorted(route)) for route in found.expert_ids.tolist()}) == 6
    plain = log_softmax(logits(ask, model, IDS[: TOKEN + 1], RoutingPolicy(8)))
    assert found.next_id == IDS[TOKEN + 1]
    np.testing.assert_allclose(found.next_logprob, plain[found.next_id], atol=1e-5)
    for row, route in enumerate(found.expert_ids.tolist()):
        other = RoutingPolicy(8, interventions=(Intervention("keep_only", LAYER, route, (TOKEN,)),))
        ran = ask(TraceRequest(model.name, IDS, other))
        np.testing.assert_array_equal(ran.expert_ids[LAYER, TOKEN], route)
        np.testing.assert_allclose(ran.weights[LAYER, TOKEN], found.weights[row], atol=1e-6)
        changed = log_softmax(logits(ask, model, IDS[: TOKEN + 1], other)) - plain
        np.testing.assert_allclose(
            found.next_changes[row], changed[found.next_id], rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    ("request_of", "said"),
    [
        (lambda run: EffectsRequest(run, ((3, 0),)), "Layer 3 has no experts"),
        (lambda run: EffectsRequest(run, ((0, 7),)), "token must be from 0 to 6"),
        (lambda run: EffectsRequest(run, ((0, 0),), continuation=(9999,)), "Token ids must be"),
        (lambda run: PatchRequest(run, run, (Patch(0, (0,), expert=64),)), "from 0 to 63"),
        (
            lambda run: PatchRequest(run, replace(run, text=(1, 2)), (Patch(0, (0,)),)),
            "7 tokens and the target 2",
        ),
        (lambda run: RoutesRequest(run, 0, 9), "token must be from 0 to 6"),
    ],
)
def test_what_is_not_there_is_refused(
    ask: Ask, model: Model, request_of: Callable[[TraceRequest], EffectsRequest], said: str
) -> None:
    with pytest.raises(ov.InputError, match=said):
        ask(request_of(run_of(model)))


def test_a_model_that_is_only_watched_is_refused_by_name(model: Model) -> None:
    watched = replace(model, capabilities=frozenset({"details"}), name="watched")
    with pytest.raises(ov.InputError, match="inside watched can be watched, and not changed"):
        ov.effects(watched, IDS, [(LAYER, TOKEN)])


@pytest.mark.parametrize("mass", ["drop", "restore"])
def test_the_calls_are_the_requests(ask: Ask, model: Model, mass: LostMass) -> None:
    policy = RoutingPolicy(8, lost_mass=mass)
    request = EffectsRequest(run_of(model, policy), ((LAYER, TOKEN),), controls=False)
    ours = ov.effects(model, IDS, request.cells, policy, controls=False)
    np.testing.assert_array_equal(ours.kl, ask(request).kl)


@pytest.mark.parametrize("size", [1e-3, 1.0, 200.0])
def test_a_difference_is_as_exact_as_its_logits(size: float) -> None:
    draw = torch.Generator().manual_seed(0)
    plain = torch.randn(500, generator=draw) * 3
    found = plain + torch.randn(4, 500, generator=draw) * size
    apart = difference(plain, found)
    one, others = plain.numpy(), found.numpy()
    expected = [kl_divergence(one, other) for other in others]
    np.testing.assert_allclose(apart.kl, expected, rtol=2e-3)
    moved = [log_softmax(other)[7] - log_softmax(one)[7] for other in others]
    np.testing.assert_allclose(changes(plain, found, apart, 7), moved, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("compare", [difference, compiled_branches.difference])
def test_of_a_token_that_was_nearly_certain_and_is_gone_nothing_is_rounded_away(
    compare: Callable[[torch.Tensor, torch.Tensor], Difference],
) -> None:
    draw = torch.Generator().manual_seed(0)
    plain = torch.randn(512, generator=draw)
    plain[7] = 20.0
    found = plain.repeat(4, 1) + torch.randn(4, 512, generator=draw) * 0.01
    found[:, 7] -= torch.tensor([0.0, 1.0, 10.0, 19.0])
    apart = compare(plain, found)
    one, others = plain.numpy(), found.numpy()
    moved = [log_softmax(other)[7] - log_softmax(one)[7] for other in others]
    np.testing.assert_allclose(changes(plain, found, apart, 7), moved, rtol=1e-5, atol=1e-7)
    expected = [kl_divergence(one, other) for other in others]
    np.testing.assert_allclose(apart.kl, expected, rtol=1e-4, atol=3e-7)
