"""Clean and corrupt: its links, its sentences, and that its map has what patches restore."""

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz import EngineError, Geometry, Patch, RoutingPolicy, load_model, patch, trace
from olmoe_viz.figures import recovery_map
from olmoe_viz.records.patches import Patches
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.requests import PatchRequest, TraceRequest
from olmoe_viz.ui.lab.clean_settings import CleanSettings
from olmoe_viz.ui.texts import lab_clean as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.engines import Watched, serve
from tests.ui.visitor import app, checked, drawn

TOKENS = [("The", "The"), (" woman", " man")]


def test_a_link_restores_the_prompts_and_the_part() -> None:
    settings = CleanSettings("a <b>", "ä", "hidden")
    assert CleanSettings.from_query(settings.to_query()) == settings
    assert CleanSettings().to_query() == {}
    assert CleanSettings.from_query({"part": "router", "clean": "x" * 999}) == CleanSettings(
        "x" * 200
    )


def found(
    geometry: Geometry, provenance: Provenance, tops: tuple[int, int], shares: list[list[float]]
) -> Patches:
    """Two patches: after the first the source's token is the likeliest."""
    run = TraceRequest("nano", "ab", RoutingPolicy(2))
    return Patches(
        request=PatchRequest(run, run, (Patch(0, (0,)), Patch(0, (1,)))),
        top_tokens=(" she", " he" if tops[0] != tops[1] else " she"),
        run_kl=0.5,
        geometry=geometry,
        provenance=provenance,
        run_tops=np.array(tops),
        run_logprobs=np.log(shares),
        logprobs=np.log([shares[0], shares[1]]),
        new_tops=np.array([3, 4]),
        kl=np.zeros(2),
    )


@pytest.mark.parametrize(
    ("tops", "shares", "words"),
    [
        (
            (3, 4),
            [[0.8, 0.1], [0.1, 0.8]],
            ["expects ‘·she’ (0.800)", "‘·he’ (0.800)", "4.16 nats"],
        ),
        ((3, 3), [[0.8, 0.8], [0.4, 0.4]], ["Both runs expect ‘·she’", "0.693 nats"]),
        ((3, 4), [[0.5, 0.4999], [0.4999, 0.5]], ["next to nothing"]),
    ],
)
def test_the_sentence_of_two_runs_says_what_0_and_1_are(
    geometry: Geometry,
    provenance: Provenance,
    tops: tuple[int, int],
    shares: list[list[float]],
    words: list[str],
) -> None:
    said = texts.of_runs(found(geometry, provenance, tops, shares))
    assert all(part in said for part in [*words, "0 is the corrupt run as it was, 1 the clean"])


@pytest.mark.parametrize(
    ("restored", "tops", "words"),
    [
        ([[0, 0.5, 0.4], [0, 0.7, 0.9]], (3, 4), ["at ‘·woman/·man’ by layer 1: 0.70", "1 of 2"]),
        ([[0.05, -0.2, 0.4], [np.nan, 0.0, 0.9]], (3, 3), ["No single token restores a tenth"]),
        ([[0.3, 0, 0], [0, 0, 0]], (7, 4), ["at ‘The’ by layer 0", "None of 2 patches makes"]),
    ],
)
def test_the_sentences_of_a_map(
    geometry: Geometry,
    provenance: Provenance,
    restored: list[list[float]],
    tops: tuple[int, int],
    words: list[str],
) -> None:
    record = found(geometry, provenance, tops, [[0.8, 0.1], [0.1, 0.8]])
    values = np.array(restored)
    said = texts.of_map(values, record, ["layer 0", "layer 1"], TOKENS)
    assert all(part in said for part in words)
    figure = recovery_map.figure(values, rows=["0", "1"], row_title="layer", tokens=TOKENS)
    row, column = np.unravel_index(np.nanargmax(values[:, :2]), (2, 2))
    name = ("The", "·woman/·man")[column]
    assert f"at ‘{name}’ in layer {row}; with all tokens at once" in figure.alt
    frame = figure.to_frame()
    assert len(frame) == np.isfinite(values).sum()
    assert frame["token"].iloc[-1] == "all at once"


def shown(test: AppTest, key: str) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(drawn(test)[key])["figure"]
    return figure


def test_the_page_measures_what_patches_restore_and_says_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = app("prompt=He&layer=3&clean=She+opened&corrupt=He+opened+up", "lab")
    test.button(key="lab_patch").click().run()
    (said,) = [info.value for info in checked(test).info]
    assert said == plain(texts.lengths(["She", " opened"], ["He", " opened", " up"]))
    assert "has 2 tokens and the corrupt one 3 tokens" in said

    test.text_input(key="lab_corrupt").set_value("He opened").run()
    assert test.query_params["corrupt"] == "He opened"
    checked(test.button(key="lab_patch").click().run())
    model, policy = load_model(), RoutingPolicy(8)
    both = "She opened", "He opened"
    everywhere = [Patch(layer, tokens) for layer in range(16) for tokens in ((0,), (1,), (0, 1))]
    expected = patch(model, *both, everywhere, policy).recovery().reshape(16, 3)
    by_token, whole = shown(test, "lab_restored_layer")["marks"]
    values = np.hstack([by_token["values"], whole["values"]])
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4)

    checked(test.button(key="lab_patch_experts").click().run())
    figure = shown(test, "lab_restored_expert")
    ids = {row: int(name.split("·")[1]) for row, name in enumerate(figure["marks"][0]["rows"])}
    ran = {
        int(expert) for text in both for expert in trace(model, text, policy).expert_ids[3].ravel()
    }
    assert len(ids) == min(16, len(ran))
    assert set(ids.values()) <= ran
    row, column = next(
        (r, c)
        for r, cells in enumerate(figure["marks"][0]["values"])
        for c, value in enumerate(cells)
        if value is not None
    )
    alone = patch(model, *both, [Patch(3, (column,), expert=ids[row])], policy).recovery()
    assert figure["marks"][0]["values"][row][column] == pytest.approx(alone[0], rel=1e-3, abs=1e-4)

    watched = Watched()
    watched.broken[PatchRequest] = EngineError("It broke.")
    serve(monkeypatch, watched)
    test.button_group(key="lab_part").set_value("hidden").run()
    checked(test.button(key="lab_patch").click().run())
    assert [plain("It broke.")] == [error.value for error in test.error]
    assert test.query_params["part"] == "hidden"
    assert checked(test.run()).button(key="lab_patch").label == texts.MEASURE

    test.text_input(key="lab_corrupt").set_value("").run()
    assert [plain(texts.EMPTY)] == [info.value for info in checked(test).info]
