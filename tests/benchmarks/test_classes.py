"""The simulation of a lecture agrees with what can be said without it."""

import pytest

from benchmarks.classes import STEP, Load, closed_form, simulate


def test_a_student_alone_waits_for_their_own_work() -> None:
    alone = simulate(Load(1, 1, throughput=80.0))
    assert alone.first_worst == pytest.approx(STEP)
    assert alone.last_worst == pytest.approx(2.0, abs=2 * STEP)


@pytest.mark.parametrize("replicas", [1, 4])
def test_under_load_the_line_is_that_of_the_formula(replicas: int) -> None:
    load = Load(400, replicas, throughput=100.0)
    found, formula = simulate(load), closed_form(load)
    assert found.last_worst == pytest.approx(formula.last_worst, rel=0.1)
    assert found.last_median == pytest.approx(formula.last_median, rel=0.15)


def test_twice_the_replicas_never_wait_longer() -> None:
    waits = [simulate(Load(200, n, throughput=100.0)).last_median for n in (1, 2, 4, 8)]
    assert waits == sorted(waits, reverse=True)
