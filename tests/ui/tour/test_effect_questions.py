"""The two questions that are answered by taking experts away."""

import re

import numpy as np
import pytest

from olmoe_viz.analysis.measured_effects import Measured
from olmoe_viz.records.expert_uses import uses_of
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.tour import answers
from olmoe_viz.ui.tour.stops import STOPS
from tests.installation import ROOT
from tests.ui.visitor import app, checked


def cell(kl: list[float], flip: int = -1) -> Measured:
    count = len(kl)
    return Measured(
        layers=np.full(count, 7),
        experts=np.arange(count) * 10,
        weights=np.linspace(0.3, 0.1, count),
        kl=np.array(kl),
        changes=np.zeros(count),
        flips=np.arange(count) == flip,
        new_tops=tuple(" *was*" if at == flip else "" for at in range(count)),
        band=np.zeros((2, count)),
    )


@pytest.mark.parametrize(
    ("found", "right", "sentence"),
    [
        (
            cell([0.02, 0.01, 0.0]),
            ("7·0",),
            (
                "Without 7·0 the prediction moves by 0.0200 nats (KL); it was also asked most, "
                "with a weight of 0.300."
            ),
        ),
        (
            cell([0.01, 0.0, 0.5], flip=2),
            ("7·20",),
            (
                "Without 7·20 the prediction moves by 0.500 nats (KL), and ‘·\\*was\\*’ becomes "
                "the likeliest token; by its weight, 0.100, it is only number 3."
            ),
        ),
        (cell([0.01, 0.02, 0.02]), ("7·10", "7·20"), None),
        (cell([0.0, 0.0]), ("7·0", "7·10"), texts.nothing_mattered()),
    ],
)
def test_the_one_that_mattered_most_is_the_one_with_the_largest_effect(
    found: Measured, right: tuple[str, ...], sentence: str | None
) -> None:
    answer = answers.mattered(found)
    assert answer.right == right
    assert sentence is None or answer.sentence == sentence


def test_the_one_for_mathematics_is_counted_among_those_of_other_kinds() -> None:
    domains = ("stories", "Python", "LaTeX", "French", "legal")
    shares = np.full((2, 6, 5), 0.1)
    for kind, expert in enumerate((5, 3, 1, 3, 0)):
        shares[1, expert, kind] = 0.6
    shares[1, 3, 2] = 0.2
    uses = uses_of(shares, domains)
    assert answers.by_share(uses, 1)[:2] == [1, 3]
    assert {*answers.by_share(uses, 1)} == {0, 1, 3, 5}
    answer = answers.mathematics(uses, 1)
    assert answer.right == ("1·1",)
    assert answer.sentence.startswith("1·1 gets 60% of the tokens of LaTeX, by chance")
    assert answer.sentence.endswith("the next of these gets 20%.")


@pytest.mark.parametrize(
    ("mathematics", "stories", "words"),
    [
        ((0.2, 0.1, 0.3), (0.0, -0.01, 0.01), "It matters more for mathematics."),
        ((0.0, -0.01, 0.01), (0.2, 0.1, 0.3), "more for stories, so the name is wrong."),
        ((0.1, 0.0, 0.2), (0.0, -0.1, 0.1), "cannot be told apart"),
    ],
)
def test_switching_it_off_tests_the_name(
    mathematics: tuple[float, ...], stories: tuple[float, ...], words: str
) -> None:
    said = texts.switched_off(mathematics, stories)
    assert words in said
    assert f"LaTeX +{mathematics[0]:.3f} (" in said


def test_both_are_guessed_first_and_answered_by_the_model() -> None:
    told = " ".join((ROOT / "docs" / "lesson.md").read_text("utf-8").split())
    for name, pattern, lesson in (
        (
            "mattered",
            r"Without 7·14 the prediction moves by [\d.]+ nats .*also asked most",
            "mattered most is `7·14`, which was also asked most",
        ),
        (
            "mathematics",
            r"4·26 gets 78% .*Switched off, it costs in bits per byte: LaTeX \+.*told apart",
            "what switching it off costs mathematics cannot be told apart from what it costs",
        ),
    ):
        assert lesson in told
        number = next(at for at, stop in enumerate(STOPS, 1) if stop.question == name)
        test = app(f"tour={number}")
        (guesses,) = (
            each for each in test.segmented_control if str(each.key).startswith("tour_guess")
        )
        assert len(guesses.options) == {"mattered": 8, "mathematics": 5}[name]
        said = " ".join(text.value for text in test.markdown)
        assert not re.search(pattern, said)
        test = checked(guesses.set_value(guesses.options[0]).run())
        said = " ".join(text.value for text in test.markdown)
        assert re.search(pattern, said), said
        leads_to_lab = any(each.proto.label == texts.IN_LAB for each in test.get("page_link"))
        assert leads_to_lab == (name == "mattered")
