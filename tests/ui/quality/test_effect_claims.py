"""Claims on Quality: verdicts follow the figures, whichever way they fall."""

import json
from dataclasses import replace

import pytest

from olmoe_viz.analysis.claims import Claim, Claims, Figure, load
from olmoe_viz.ui.quality import claims_panel
from olmoe_viz.ui.texts import effect_claims as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.visitor import app, drawn


def with_values(claims: Claims, *figures: Figure) -> Claims:
    """Return claims in which these figures stand in place of those of the same setting."""
    given = {(each.claim, each.setting, each.rule): each for each in figures}
    return replace(
        claims,
        figures=tuple(
            given.get((each.claim, each.setting, each.rule), each) for each in claims.figures
        ),
    )


def around(claim: Claim, setting: str, rule: str, value: float, reach: float = 0.001) -> Figure:
    return Figure(claim, setting, rule, value, value - reach, value + reach)


@pytest.mark.parametrize(
    ("claim", "figures", "verdict", "said"),
    [
        ("weight", [], texts.NO, "in 16 of 16 layers"),
        ("weight", [around("weight", "3", "drop", 0.0)], texts.PARTLY, "0.00 in layer 3"),
        (
            "weight",
            [around("weight", str(layer), "drop", 0.0) for layer in range(16)],
            texts.YES,
            "in 0 of 16 layers",
        ),
        ("pruning", [], texts.YES, "23% of those that ran: +0.0530 (+0.0418 to +0.0654)"),
        ("pruning", [around("pruning", "0.03", "drop", 0.3)], texts.PARTLY, "+0.3000"),
        ("pruning", [around("pruning", "0.03", "drop", 0.7, 0.1)], texts.UNCLEAR, "+0.7000"),
        ("pruning", [around("pruning", "0.03", "drop", 0.9)], texts.NO, "+0.9000"),
        ("strongest", [], texts.PARTLY, "+0.0304 (+0.0209 to +0.0410) bits per byte; without"),
        ("strongest", [around("strongest", "10", "drop", 0.4)], texts.YES, "+0.4000"),
        ("strongest", [around("strongest", "10", "drop", 0.005)], texts.UNCLEAR, "+0.0050"),
        ("strongest", [around("strongest", "10", "drop", -0.1)], texts.NO, "−0.1000"),
        ("least_used", [], texts.NO, "the 10 least used"),
        ("least_used", [around("least_used", "10", "drop", 0.0)], texts.YES, "cannot be told"),
        ("least_used", [around("least_used", "10", "drop", -0.1)], texts.YES, "even better"),
    ],
)
def test_a_verdict_follows_the_figures(
    claim: Claim, figures: list[Figure], verdict: str, said: str
) -> None:
    found, word = texts.answer(claim, with_values(load(), *figures))
    assert word == verdict
    assert said in found


def test_the_page_has_verdicts_beside_what_is_quoted_and_a_figure_of_each() -> None:
    claims = load()
    test = app(name="quality")
    (shown,) = (each.value for each in test.table if texts.CLAIM in each.value)
    assert shown.to_dict("list") == claims_panel.table(claims)
    captions = [caption.value for caption in test.caption]
    assert {plain(each.words) for each in claims.quoted} <= {*captions}
    assert {texts.answer(claim, claims)[0] for claim in texts.CLAIMS} <= {*captions}
    for claim, read in texts.SETTINGS.items():
        figure = json.loads(drawn(test)[f"claim_{claim}"])["figure"]
        settings, lines = claims_panel.lines(claim, claims)
        assert [label for _, label in figure["x"][0]["ticks"]] == settings
        assert [mark["y"] for mark in figure["marks"]] == [values[0] for values in lines.values()]
        assert figure["x"][0]["title"] == read
