import pytest
import torch
from transformers import TopPLogitsWarper

from olmoe_viz.engine import sampling
from olmoe_viz.engine.sampling import Sampling, nucleus, pick

SCORES = torch.tensor([0.5, 2.0, -1.0, 1.0, 0.0])


def picks(settings: Sampling, count: int = 4000) -> torch.Tensor:
    return pick(SCORES.expand(count, -1), [settings] * count, settings.uniforms(0, count))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert set(picks(Sampling(seed=3), 5).tolist()) == {1}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_shares_follow_the_distribution(temperature: float, top_p: float) -> None:
    scores = SCORES[None] / temperature
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(torch.zeros(1, 1, dtype=torch.long), scores)
    expected = scores[0].softmax(-1)
    shares = picks(Sampling(temperature, top_p)).bincount(minlength=5) / 4000
    assert (shares - expected).abs().max() < 0.03
    assert not shares[expected == 0].any()


@pytest.mark.parametrize("top_p", [0.01, 0.3, 0.6, 0.9, 0.999, 1.0])
def test_the_nucleus_is_the_one_of_transformers(top_p: float) -> None:
    for seed in range(50):
        scores = torch.randn(1, 40, generator=torch.Generator().manual_seed(seed)) * 2
        kept = TopPLogitsWarper(top_p)(torch.zeros(1, 1, dtype=torch.long), scores)[0].isfinite()
        probabilities, ids = nucleus(scores[0].double().softmax(-1), top_p)
        assert sorted(ids[probabilities > 0].tolist()) == kept.nonzero().flatten().tolist()
        assert (probabilities.diff() <= 0).all()


@pytest.mark.parametrize("temperature", [1e-3, 1e-310, 5e-324])
@pytest.mark.parametrize("top_p", [0.5, 1.0])
def test_a_tiny_temperature_is_greedy(temperature: float, top_p: float) -> None:
    scores = SCORES * 1000
    sampling = Sampling(temperature, top_p)
    assert set(pick(scores.expand(20, -1), [sampling] * 20, sampling.uniforms(0, 20)).tolist()) == {
        1
    }


def test_a_seed_fixes_the_picks() -> None:
    first, again, other = (picks(Sampling(1.0, seed=seed), 50) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_number_depends_on_seed_and_position_alone() -> None:
    seed = Sampling(1.0, seed=3)
    assert torch.equal(seed.uniforms(0, 20)[7:12], seed.uniforms(7, 5))
    assert not torch.isin(seed.uniforms(0, 20), Sampling(1.0, seed=4).uniforms(0, 20)).any()


@pytest.mark.parametrize("top_p", [0.7, 1.0])
def test_numbers_at_the_ends_take_tokens_that_can_be_drawn(top_p: float) -> None:
    scores = torch.tensor([[-1e4, 2.0, 1.0, -1e4], [2.0, -1e4, -1e4, -1e4]])
    ends = torch.tensor([1 - 2**-53, 1 - 2**-53], dtype=torch.float64)
    assert pick(scores, [Sampling(1.0, top_p)] * 2, ends).tolist() == [2 if top_p == 1 else 1, 0]
    assert pick(scores, [Sampling(1.0, top_p)] * 2, ends * 0).tolist() == [1, 0]


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0])
def test_the_likeliest_decide_as_all_tokens_do(top_p: float, spread: float) -> None:
    """Flat and steep distributions, some with equal shares at the top and at the cut."""
    random = torch.Generator().manual_seed(1)
    scores = torch.randn(200, 2000, generator=random) * spread
    scores[::3] = (scores[::3] * 4).round() / 4
    uniforms = torch.rand(200, generator=random, dtype=torch.float64)
    shares = torch.softmax(scores.double(), -1)
    limits = torch.full((200, 1), top_p, dtype=torch.float64)
    whole = sampling._drawn(shares, limits, uniforms)
    ones = torch.ones(200, 1, dtype=torch.float64)
    for count in sampling._LIKELIEST:
        quick = sampling._drawn_from_likeliest(scores, ones, limits, uniforms, count)
        decided = quick >= 0
        assert torch.equal(quick[decided], whole[decided])
        if spread == 6.0:
            assert decided[1::3].float().mean() > 0.8
    assert torch.equal(sampling.draw(scores, 1.0, limits, uniforms), whole)
