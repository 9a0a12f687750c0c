import copy

import numpy as np
import pytest
import torch

import olmoe_viz as ov
from benchmarks.random_model import private_copy
from olmoe_viz.engine import decoders, sampling
from olmoe_viz.engine.gpu_decoder import NAME, GpuKernels
from olmoe_viz.engine.kernels.gpu import self_test
from olmoe_viz.engine.kernels.gpu.graphs import Flight, Graphs
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Generation

pytestmark = pytest.mark.usefixtures("kernels")
PROMPT = [300 + 7 * i for i in range(16)]
POLICIES = [
    ov.RoutingPolicy(8),
    ov.RoutingPolicy(16, "renormalized"),
    ov.RoutingPolicy(32, "gain_anchored"),
    ov.RoutingPolicy((1, 64, 8, 3)),
    ov.RoutingPolicy(16, threshold=0.02),
    ov.RoutingPolicy(None, threshold=0.03),
    ov.RoutingPolicy.parse("k=8,off:1.3_5_40,force:*.7,bias:2.9~1.5@generated,mass=restore"),
    ov.RoutingPolicy.parse("k=16,route_around:*.0-20@15,swap:0.21~2,add:3.11_12,off:3.0-63@18"),
]


def _stock(model: Model, k: int, ids: list[int], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Return stock's logits [tokens, vocab] and router logits [layers, tokens, experts]."""
    module = copy.deepcopy(model.module) if dtype == torch.float32 else private_copy(model.module)
    module = module.to(dtype)
    for layer in module.model.layers:
        layer.mlp.gate.top_k = k
    with torch.inference_mode():
        out = module(torch.tensor([ids], device="cuda"), output_router_logits=True)
    return out.logits[0].float(), torch.stack(out.router_logits).view(
        len(model.sites), len(ids), -1
    )


@pytest.mark.parametrize("k", [8, 64])
def test_it_is_as_near_to_exact_as_stock_is(model: Model, k: int) -> None:
    """Teacher-forced on our own greedy text: distances from float32, ours and stock bfloat16's."""
    (row,) = ov.compare(model, PROMPT, [ov.RoutingPolicy(k)], 48)
    assert row.provenance.runner == NAME
    ids = [*PROMPT, *row.token_ids.tolist()]
    exact, exact_router = _stock(model, k, ids, torch.float32)
    stock, stock_router = _stock(model, k, ids, torch.bfloat16)
    ours = torch.tensor(row.router_logits, device="cuda")
    written = slice(len(PROMPT), len(ids))

    def distance(values: torch.Tensor) -> torch.Tensor:
        wanted = exact_router[:, written]
        return (values.float() - wanted).norm() / wanted.norm()

    assert distance(ours) < 1.1 * distance(stock_router[:, written])
    before = slice(len(PROMPT) - 1, len(ids) - 1)  # what chose each token
    rounding = (stock - exact)[before].abs().amax(-1)
    two = exact[before].topk(2).values
    clear = (two[:, 0] - two[:, 1]) > 2 * rounding
    assert clear.sum() > 10
    chosen = torch.tensor(row.token_ids, device="cuda")
    assert torch.equal(chosen[clear], exact[before].argmax(-1)[clear])
    likely = exact[before].log_softmax(-1).gather(1, chosen[:, None])[:, 0]
    stock_likely = stock[before].log_softmax(-1).gather(1, chosen[:, None])[:, 0]
    ours_off = (torch.tensor(row.logprobs, device="cuda") - likely).abs().mean()
    assert ours_off < 1.5 * (stock_likely - likely).abs().mean() + 1e-3


@pytest.mark.parametrize("drawn", [{}, {"temperature": 0.9, "top_p": 0.9, "seed": 11}])
def test_a_row_is_to_the_bit_its_solo_run(model: Model, drawn: dict[str, float]) -> None:
    together = ov.compare(model, PROMPT, POLICIES, 24, **drawn)
    for policy, row in zip(POLICIES, together, strict=True):
        (alone,) = ov.compare(model, PROMPT, [policy], 24, **drawn)
        assert alone.token_ids.tolist() == row.token_ids.tolist()
        for name in ("router_logits", "expert_ids", "weights", "logprobs"):
            np.testing.assert_array_equal(getattr(row, name), getattr(alone, name))


def test_policies_choose_and_weigh_as_the_plain_pass_does(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ov.compare(model, PROMPT, POLICIES, 1)
    monkeypatch.setattr(GpuKernels, "claim", lambda *_: False)
    plain = ov.compare(model, PROMPT, POLICIES, 1)
    assert "no Triton kernels: they are at work" in plain[0].provenance.runner
    for own, other in zip(ours, plain, strict=True):
        assert own.token_ids.tolist() == other.token_ids.tolist()
        np.testing.assert_allclose(own.router_logits, other.router_logits, atol=0.05)
        many, also_many = ((each.weights > 0).sum(-1) for each in (own, other))
        if own.policy.threshold == 0:
            np.testing.assert_array_equal(many, also_many)
            np.testing.assert_allclose(own.weights, other.weights, atol=2e-3)
        assert (abs(many - also_many) <= 1).all()  # one may lie at the threshold
        # Rounding exchanges neighbors, of which at the cutoff one is out; nothing else may differ.
        for layer in range(len(model.sites)):
            ran, also = (set(each.expert_ids[layer, 0].tolist()) for each in (own, other))
            assert len(ran ^ also) <= 2


def _apart(one: Generation, other: Generation) -> int:
    """Count the layers and tokens in which other experts ran or weighed something else."""
    same = (one.expert_ids == other.expert_ids) & (one.weights == other.weights)
    return int((~same.all(-1)).sum())


def test_interventions_act_on_the_tokens_that_they_name(model: Model) -> None:
    def write(text: str) -> Generation:
        (row,) = ov.compare(model, PROMPT, [ov.RoutingPolicy.parse(text)], 4)
        assert row.provenance.runner == NAME
        return row

    plain = write("k=8")
    chosen = int(plain.expert_ids[2, 1, 0])
    unused = next(e for e in range(64) if e not in plain.expert_ids[2])
    assert _apart(plain, write(f"k=8,off:2.{unused}")) == 0
    # Token 17 is the second that is written; in layer 2 nothing is different before it.
    off = write(f"k=8,off:2.{chosen}@17")
    assert _apart(plain, off) >= 1
    np.testing.assert_array_equal(off.router_logits[:3, :2], plain.router_logits[:3, :2])
    np.testing.assert_array_equal(off.router_logits[:, 0], plain.router_logits[:, 0])
    at = off.expert_ids[2, 1].tolist().index(chosen)
    assert off.weights[2, 1, at] == 0
    around = write(f"k=8,route_around:2.{chosen}@17")
    ranked = np.argsort(-plain.router_logits[2, 1], kind="stable").tolist()
    ranked.remove(chosen)
    assert around.expert_ids[2, 1].tolist() == ranked[:8]
    forced = write(f"k=8,force:2.{unused}@generated,mass=renormalize")
    assert (forced.expert_ids[2] == unused).any(-1).all()
    np.testing.assert_allclose(forced.weights[2].sum(-1), 1, rtol=1e-5)
    added = write(f"k=8,add:2.{unused}@generated")
    assert ((added.expert_ids[2] >= 0).sum(-1) == 9).all()


def test_what_is_switched_off_comes_in_the_order_of_the_plain_pass(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = ov.RoutingPolicy.parse("k=8,off:*.0-63@16")
    (ours,) = ov.compare(model, PROMPT, [policy], 1)
    monkeypatch.setattr(GpuKernels, "claim", lambda *_: False)
    (plain,) = ov.compare(model, PROMPT, [policy], 1)
    assert not ours.weights[:, 0].any()
    assert ours.expert_ids[0, 0].tolist() == plain.expert_ids[0, 0].tolist()


def test_a_token_is_drawn_alike_on_the_host_and_on_the_device() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 50_304, generator=random) * 3
    for top_p in (0.3, 0.9, 1.0):
        settings = sampling.Sampling(0.8, top_p, seed=5)
        numbers = settings.uniforms(100, 6)
        host = sampling.pick(scores, [settings] * 6, numbers)
        assert (
            host.tolist() == sampling.pick(scores.cuda(), [settings] * 6, numbers.cuda()).tolist()
        )


def test_no_setting_is_captured_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("captured")

    monkeypatch.setattr(Graphs, "_capture", never)
    for rows in (1, 3, 6):
        for drawn in ({}, {"temperature": 1.0, "seed": rows}):
            written = ov.compare(model, PROMPT[: 4 + rows], POLICIES[-rows:], 5, **drawn)
            assert {row.provenance.runner for row in written} == {NAME}


def test_the_next_step_runs_while_one_is_read_and_a_stop_ends_both(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Flight] = []
    launch = Flight.launch

    def counted(flight: Flight) -> None:
        launched.append(flight)
        launch(flight)

    monkeypatch.setattr(Flight, "launch", counted)
    with ov.stream(model, PROMPT, POLICIES[:2], 40) as writing:
        for step in writing:
            if step.index >= 0:
                # One for the end of the prompt, and one that runs while this is read.
                assert len(launched) == step.index + 3
            if step.index == 3:
                break
    assert len(launched) == 6
    assert [len(row.token_ids) for row in writing.generations()] == [4, 4]
    (after,) = ov.compare(model, PROMPT, POLICIES[:1], 40)
    assert after.provenance.runner == NAME
    assert len(launched) == 6 + 41  # none more than there are tokens
    assert after.token_ids[:4].tolist() == writing.generations()[0].token_ids.tolist()


def test_a_row_that_ends_rests_and_changes_no_other(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ov.compare(model, PROMPT, POLICIES, 20, temperature=1.0, seed=2)
    end = int(free[1].token_ids[4])
    monkeypatch.setattr(model.module.generation_config, "eos_token_id", end)
    for whole, row in zip(
        free, ov.compare(model, PROMPT, POLICIES, 20, temperature=1.0, seed=2), strict=True
    ):
        ids = whole.token_ids.tolist()
        wanted = ids[: ids.index(end) + 1] if end in ids else ids
        assert row.token_ids.tolist() == wanted
        assert row.finish == ("end" if end in ids else "length")
        np.testing.assert_array_equal(row.router_logits, whole.router_logits[:, : len(wanted)])


def test_two_at_once_both_get_their_texts(model: Model) -> None:
    expected = [row.token_ids.tolist() for row in ov.compare(model, PROMPT, POLICIES[:1], 10)]
    first, second = (ov.stream(model, PROMPT, POLICIES[:1], 10) for _ in range(2))
    for _ in zip(first, second, strict=True):
        pass
    (own,), (beside,) = first.generations(), second.generations()
    assert own.token_ids.tolist() == expected[0]
    assert beside.provenance.runner.startswith("olmoe; no Triton kernels: they are at work")
    assert len(beside.token_ids) == 10


def test_where_a_kernel_fails_its_test_the_plain_pass_runs_and_says_why(
    twin: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "failing", lambda *_, **__: ["router: record"])
    (row,) = ov.compare(twin, PROMPT, POLICIES[:1], 4)
    assert row.provenance.runner == (
        "olmoe; no Triton kernels: a kernel failed its test (router: record)"
    )
    assert len(row.token_ids) == 4


def test_what_is_not_a_number_ends_the_text_in_words(twin: Model) -> None:
    kernels = decoders.kernels_of(twin)
    assert isinstance(kernels, GpuKernels)
    writing = ov.stream(twin, PROMPT, POLICIES[:1], 8)
    next(writing)
    kernels.cache.layers[0][1].fill_(float("nan"))
    list(writing)
    assert "no longer finite" in str(writing.error)
