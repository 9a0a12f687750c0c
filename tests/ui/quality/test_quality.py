"""Quality: which ks are called equal, and what is said of measured and quoted figures."""

import json

import numpy as np
import pytest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import quality as texts
from tests.ui.visitor import app, drawn

KS = [4, 8, 16, 32]


def equal(bits: list[float], reach: float | list[float]) -> list[int]:
    values = np.array(bits)
    return tables.equal_to_best(KS, (values, values - reach, values + reach))


@pytest.mark.parametrize(
    ("bits", "reach", "best"),
    [
        ([1.189, 1.142, 1.140, 1.161], 0.015, [8, 16]),
        ([1.189, 1.142, 1.140, 1.161], 0.001, [16]),
        ([1.0, 1.0, 1.0, 1.0], 0.0, [4, 8, 16, 32]),
    ],
)
def test_ks_within_each_others_intervals_are_equal(
    bits: list[float], reach: float, best: list[int]
) -> None:
    assert equal(bits, reach) == best


def test_one_interval_alone_makes_no_equality() -> None:
    wide_best = equal([1.20, 1.15, 1.14, 1.3], [0.001, 0.001, 0.1, 0.001])
    assert wide_best == [16]
    assert equal([1.20, 1.15, 1.14, 1.3], [0.1, 0.001, 0.001, 0.1]) == [16]


def test_equal_ks_are_called_equal() -> None:
    assert texts.best([8, 16], "native") == (
        f"Best under native weights: {k_is(8)} and 16 cannot be told apart: each value lies in the "
        "other's 95% interval."
    )
    assert texts.best([64], "renormalized") == f"Best under renormalized weights: {k_is(64)}."
    assert texts.equal_ks([4, 8, 16]).startswith(
        f"{k_is(4)}, 8 and 16 cannot be told apart: the best value lies"
    )


def test_the_page_calls_and_marks_what_is_equal() -> None:
    test = app(name="quality")
    said = " ".join(caption.value for caption in test.caption)
    assert (
        f"{k_is(8)} and 16 cannot be told apart: each value lies in the other's 95% interval."
        in said
    )
    assert "slightly best" not in said
    notes = json.loads(drawn(test)["near"])["figure"]["notes"]
    assert [note["x"] for note in notes if note["text"] == "equal"] == [8, 16]
    table = test.table[0].value.set_index("k")["best, or equal to it, under"]
    assert [k for k in table.index if "native" in table[k]] == ["8", "16"]


def test_the_page_says_why_the_quoted_figures_differ_and_what_a_bit_is() -> None:
    said = " ".join(caption.value for caption in app(name="quality").caption)
    assert texts.WHY_THEY_DIFFER in said
    assert "on average the model gives each byte twice the probability" in said
    assert "The curve ends at 100% by definition." in said


def test_a_text_with_one_best_k_has_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "equal_to_best", lambda *_: [16])
    test = app(name="quality")
    assert f"Best under native weights: {k_is(16)}." in " ".join(
        each.value for each in test.caption
    )
    notes = json.loads(drawn(test)["near"])["figure"]["notes"]
    assert not [note for note in notes if note["text"] == "equal"]
