"""What changes with more experts, at the end of `Follow a token`: the measuring and the claims."""

import re

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics import routing
from olmoe_viz.ui.follow import claims
from olmoe_viz.ui.widgets import origin
from tests.ui.follow_page import captions, charts, follow, press, stopped, trace
from tests.ui.visitor import ROOT


def test_the_trade_off_is_measured_on_demand() -> None:
    test = follow()
    assert "Press Measure" in " ".join(m.value for m in test.markdown)
    assert "Here will be a table" in captions(test)
    press(test, "Measure")
    assert "Here will be a table" not in captions(test)
    table = next(table.value for table in test.table if "retained mass" in table.value)
    derived = next(table.value for table in test.table if "active parameters" in table.value)
    for part in (table, derived):
        assert list(part["k"]) == ["1", "4", "8", "16", "32", "64"]
    assert table["retained mass"].iloc[-1] == "1.000"
    assert table["KL to the trained k, nats"].iloc[2] == "0"
    assert table["same top token"].iloc[2] == "yes"
    assert list(table["gain"]) == list(table["retained mass"])
    assert "Measured on this prompt under native weights;" in captions(test)
    assert derived["active parameters"].iloc[-1].endswith("(100%)")
    assert charts(test) == 17
    for cell in table["time, ms"]:
        middle, low, high = map(
            int, re.fullmatch(r"(\d+) \((\d+)\u2060–\u2060(\d+)\)", cell).groups()
        )
        assert low <= middle <= high
    assert "the median of 3 passes, in brackets the fastest and the slowest" in captions(test)
    assert "Press Measure" not in " ".join(m.value for m in test.markdown)
    press(test, "layer →")
    assert charts(test) == 17  # what was measured stays while the prompt does


def test_the_trade_off_says_under_which_weights_it_was_measured() -> None:
    test = press(follow(query="token=2&weights=renormalized"), "Measure")
    table = next(table.value for table in test.table if "retained mass" in table.value)
    assert set(table["gain"]) == {"1.000"}
    assert float(table["KL to the trained k, nats"].iloc[2]) > 0
    assert "Measured on this prompt under renormalized weights;" in captions(test)
    assert "compared with the trained k, 8, under native weights." in captions(test)
    words = " ".join(m.value for m in test.markdown)
    assert f"On this prompt, under renormalized weights, {k_is(64)} predicts" in words
    assert f"that of the trained k under native weights, that of {k_is(16)}" in words


def test_the_popular_claims_are_answered_with_numbers() -> None:
    words = " ".join(m.value for m in follow().markdown)
    assert "11796, 11232, 9260, 310" in words
    assert "1.28, 2.09, 3.70 and, with all 64, 6.92 B" in words
    assert "There is no such term" in words
    everyone = routing.probabilities(trace().router_logits)
    eight, sixteen = (routing.retained_mass(everyone, k).mean() for k in (8, 16))
    assert f"by {100 * (sixteen - eight):.1f} points" in words
    table = pd.read_csv(ROOT / "olmoe_viz" / "data" / "quality.csv")
    table = table[(table["domain"] == "all") & (table["weighting"] == "native")].set_index("k")
    bits = table["bits_per_byte"]
    for k in (4, 8, 16, 32, 64):
        assert f"{bits[k]:.3f} at {k_is(k)}" in words
    assert (
        f"{k_is(8)} and 16 cannot be told apart: each value lies in the other's 95% interval."
        in words
    )
    assert f"{k_is(64)} needs {bits[64] - bits.min():.3f} more than the best" in words


def test_what_was_measured_is_what_the_claims_say() -> None:
    test = follow()
    assert f"points, in the run with {k_is(8)}." in " ".join(m.value for m in test.markdown)
    press(test, "Measure")
    table = next(table.value for table in test.table if "retained mass" in table.value)
    eight, sixteen = (table["retained mass"].iloc[at] for at in (2, 3))
    words = " ".join(m.value for m in test.markdown)
    assert f"from {eight} for the top 8 to {sixteen} for the top 16, by" in words
    assert "points, in the two runs measured above." in words


def test_a_largest_k_that_is_best_has_nothing_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.read_csv(ROOT / "olmoe_viz" / "data" / "quality.csv")
    monkeypatch.setattr(claims.tables, "table", lambda _: table[table["k"] <= 16])
    words = " ".join(m.value for m in follow().markdown)
    assert f"{k_is(8)} and 16 cannot be told apart" in words
    assert "more than the best" not in words
    assert "worse" not in words


def test_a_claim_has_an_origin_only_once_something_was_found() -> None:
    before = stopped()
    assert origins(before) == [
        *("recorded", None, None, "recorded", "derived", "recorded", "derived", "quoted"),
    ]
    test = follow()
    assert origins(test)[1:3] == [None, "live"]
    press(test, "Measure")
    assert origins(test)[1:3] == ["live", "live"]
    same = follow(query="k=16&against=16")
    assert origins(same)[2] is None
    words = " ".join(m.value for m in same.markdown)
    assert "Both ks are 16." in words
    assert "certain than k" not in words


def origins(test: AppTest) -> list[str | None]:
    """The origin beside each claim, None where there is none."""
    found: list[str | None] = []
    claims = [part.value for part in test.main.markdown]
    for words in claims[next(at for at, w in enumerate(claims) if w.startswith("“")) :]:
        named = [name for name in origin.MEANING if words == f":gray-badge[{name}]"]
        if words.startswith("“"):
            found.append(None)
        elif named:
            found[-1] = named[0]
    return found


def test_a_claim_stands_without_where_it_comes_from_and_the_most_frequent_stand_first() -> None:
    claims = [
        part.value.partition("”")[0][1:] for part in follow().markdown if part.value[:1] == "“"
    ]
    assert claims[:3] == [
        "More experts give better answers",
        "All 64 experts together show the most that the model can do",
        "More experts make the model more certain",
    ]
    assert "same ids" in claims[-1]
    for claim in claims:
        assert len(claim.split()) >= 5  # a whole sentence
        assert "3163" not in claim
