"""A set that flips the token: its sentences, and that what is found is what ov.coalition finds."""

import json
from typing import Any

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy, coalition, load_model
from olmoe_viz.figures import coalition_steps
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.requests import CoalitionRequest, TraceRequest
from olmoe_viz.ui.texts import lab_coalition as texts
from tests.ui.visitor import app, checked, drawn


@pytest.mark.parametrize(
    ("kept", "end", "words"),
    [
        ((True,), 3, ["Without 0·4 alone ‘·he’ is likelier than ‘·she’"]),
        ((True, True), 3, ["Without 0·4 and 0·5 together", "an upper bound"]),
        (
            (True, False, True),
            3,
            ["0·4 and 0·6 together", "after 1 of those taken", "None of these 2"],
        ),
        (
            (True, True),
            2,
            ["without the 2 experts", "stays the likeliest", "does not show that no"],
        ),
    ],
)
def test_the_sentence_names_what_was_found_as_an_upper_bound(
    geometry: Geometry, provenance: Provenance, kept: tuple[bool, ...], end: int, words: list[str]
) -> None:
    steps, tops = len(kept), {"top_token": " she", "end_token": " he"}
    found = Coalition(
        request=CoalitionRequest(TraceRequest("nano", "ab", RoutingPolicy(2)), 1),
        top_id=2,
        margin=1.5,
        logprob=-0.5,
        end_top=end,
        end_margin=0.25,
        end_logprob=-1.0,
        new_top_tokens=(" he",) * steps,
        kept=kept,
        **tops,
        geometry=geometry,
        provenance=provenance,
        layers=np.zeros(steps, np.int64),
        expert_ids=np.arange(4, 4 + steps, dtype=np.int16),
        margins=np.full(steps, 0.25),
        logprobs=np.full(steps, -1.0),
        new_tops=np.full(steps, end),
    )
    said = texts.of(found)
    assert all(part in said for part in words)


def test_the_figure_says_its_steps() -> None:
    figure = coalition_steps.figure(
        np.array([2.0, 1.0, -0.5]), members=[(6, 20), (0, 11)], kept=(False, True), tops=" ab"
    )
    assert "2 as it was; without 6·20 too 1; without 0·11 too −0.5. In the end ‘b’" in figure.alt
    frame = figure.to_frame()
    assert frame["needed"].tolist() == ["yes", "no", "yes"]
    assert frame["switched off besides"].tolist() == ["", "6·20", "0·11"]


def test_a_set_is_found_and_switched_off() -> None:
    prompt = "The woman was very happy when"
    test = app(f"prompt={prompt.replace(' ', '+')}&token=5&layer=0", "lab")
    checked(test.button(key="lab_coalition").click().run())
    expected = coalition(load_model(), prompt, 5)
    figure: dict[str, Any] = json.loads(drawn(test)["lab_coalition_steps"])["figure"]
    (bars,) = figure["marks"]
    assert bars["high"] == pytest.approx([expected.margin, *expected.margins], abs=1e-3)
    assert texts.of(expected) in [text.value for text in test.text]

    checked(test.button(key="lab_apply").click().run())
    off = expected.interventions()
    assert test.query_params["do"] == ",".join(map(str, off))
    (layer, expert), *_ = expected.needed
    back = test.button(key=f"lab_back_{off[0]}")
    assert back.label == f"{layer}·{expert} switched off at token 5"
    assert texts.APPLIED in [caption.value for caption in test.caption]
    after = json.loads(drawn(test)["lab_ranks"])["figure"]["numbers"]["token"]
    assert expected.end_token.strip() in after[8]  # the likeliest of the changed run
