import pytest

from olmoe_viz.numerics.proportions import wilson


def test_wilson_solves_its_equation_and_stays_within_0_and_1() -> None:
    for hits, trials in ((0, 40), (1, 3), (23, 40), (40, 40)):
        share = hits / trials
        for end in wilson(hits, trials):
            # The ends are where a true share would be 1.96 of its own standard errors away.
            distance = (share - end) ** 2
            assert distance == pytest.approx(1.959964**2 * end * (1 - end) / trials, abs=1e-7)
            assert 0 <= end <= 1
    assert wilson(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson(5, 4)
