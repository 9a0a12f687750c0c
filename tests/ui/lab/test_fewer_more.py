"""Fewer, more, elsewhere: its links, its sentences, and that it measures what it says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz
from olmoe_viz import EngineError, Intervention, RoutingPolicy
from olmoe_viz.analysis import held_out
from olmoe_viz.analysis.held_out import HeldOut
from olmoe_viz.engine.engine import Ask, asking
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.requests import ScoreRequest
from olmoe_viz.ui.lab import fewer_more
from olmoe_viz.ui.lab.fewer_settings import FewerSettings, stops
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import lab_fewer as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.engines import Watched, serve
from tests.ui.visitor import app, checked, drawn

DATA = Path(olmoe_viz.__file__).parent / "data"
KS = (8, 4, *(8,) * 13, 16)
LINK = "layer_ks=" + "-".join(map(str, KS)) + "&floor=0.02&domain=French&kept=12"


def test_a_link_restores_what_is_measured() -> None:
    settings = FewerSettings(KS, 0.02, "French", 12)
    assert FewerSettings.from_query(settings.to_query()) == settings
    assert FewerSettings().to_query() == {}
    uses = tables.uses()
    assert settings.within(OLMOE_1B_7B, uses) == settings
    assert settings.within(OLMOE_1B_7B, None) == FewerSettings(KS, 0.02, "", 12)
    assert FewerSettings((8, 65), 0, "Latin").within(OLMOE_1B_7B, uses) == FewerSettings()
    base = RoutingPolicy(8, "renormalized")
    assert FewerSettings().policy(base, OLMOE_1B_7B, uses) == base
    four = FewerSettings((4,) * 16, 0.02).policy(base, OLMOE_1B_7B, uses, "restore")
    assert four == RoutingPolicy(4, "renormalized", 0.02)


@pytest.mark.parametrize(
    "query",
    [{"layer_ks": "8-0"}, {"layer_ks": "8-x"}, {"floor": "2"}, {"floor": "-.1"}, {"kept": "many"}],
)
def test_what_makes_no_sense_in_a_link_counts_as_left_out(query: dict[str, str]) -> None:
    assert FewerSettings.from_query(query) == FewerSettings()


def test_a_slider_has_every_small_k_and_what_a_link_names() -> None:
    assert stops(16, (13,)) == [*range(1, 9), 10, 12, 13, 14, 16]
    assert stops(60)[-3:] == [48, 56, 60]


@pytest.mark.parametrize(
    ("more", "chosen", "words"),
    [
        ((0.1, 0.2, 0.3), "", ["worse: +0.200", "(95% interval +0.100 to +0.300)"]),
        ((0.1, 0.2, 0.3), "code", ["least in stories, +0.150", "code, whose experts", "number 2"]),
        ((-0.3, -0.2, -0.1), "", ["better: −0.200"]),
        ((-0.1, 0.0, 0.1), "stories", ["no difference can be told", "most in code, +0.050."]),
    ],
)
def test_the_sentence_of_held_out_text(
    more: tuple[float, float, float], chosen: str, words: list[str]
) -> None:
    low, mean, high = more
    rows = np.array([[mean - 0.05, low, high], [mean + 0.05, low, high], [mean, low, high]])
    found = HeldOut(("stories", "code"), 40, rows, rows, rows)
    said = texts.of_held_out(found, chosen)
    assert all(part in said for part in words)


@pytest.mark.parametrize(
    ("plain", "changed", "words"),
    [(1.0, 1.5, "0.500 bits per byte more"), (1.5, 1.0, "less than"), (None, None, "nothing is")],
)
def test_the_sentence_of_a_prompt(plain: float | None, changed: float | None, words: str) -> None:
    assert words in texts.of_prompt(plain, changed, 0.25)


def bits(ask: Ask, text: str | tuple[int, ...], *policies: RoutingPolicy) -> list[float]:
    """Bits per byte of each policy, from the likelihoods of all tokens but the first."""
    scores = ask(ScoreRequest("olmoe-nano", text, policies))
    found: list[float] = (scores.nll.sum(1) / np.log(2) / scores.token_sizes[1:].sum()).tolist()
    return found


def most_used(table: pd.DataFrame, layer: int) -> list[int]:
    rows = table[table["layer"] == layer].sort_values("french", ascending=False, kind="stable")
    found: list[int] = rows["expert"].head(12).tolist()
    return found


def shown(test: AppTest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(drawn(test)["lab_more_bits"])["figure"]
    return found


def test_what_a_link_names_is_measured_beside_the_trained_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = json.loads((DATA / "measured.json").read_text("utf-8"))
    whole = held_out.sample(measured["digest"])
    held = {kind: whole[kind][:30] for kind in ("French", "Python")}
    monkeypatch.setattr(fewer_more, "sample", lambda _: held)
    watched = Watched()
    serve(monkeypatch, watched)
    watched.broken[ScoreRequest] = EngineError("The memory ran out.")
    test = app(f"prompt=Once+upon+a&layer=7&mass=restore&{LINK}", "lab")
    said = "k from 4 to 16 by layer, experts with a probability of at least 0.02 only, only the 12"
    assert any(said in text.value for text in test.text)
    test.button(key="lab_fewer").click().run()
    assert [plain("The memory ran out.")] == [each.value for each in test.error]
    del watched.broken[ScoreRequest]
    checked(test.run().button(key="lab_fewer").click().run())

    table = pd.read_csv(DATA / "experts.csv")
    kept = tuple(Intervention("keep_only", layer, most_used(table, layer)) for layer in range(16))
    trained = RoutingPolicy(8)
    changed = RoutingPolicy(KS, "native", 0.02, kept, "restore")
    (numbers,) = (each.value for each in test.table)
    ask = asking(watched)
    prompt = bits(ask, "Once upon a", trained, changed)
    assert numbers[texts.TRAINED][1] == f"{prompt[0]:.3f}"
    assert numbers[texts.CHANGED][1] == f"{prompt[1]:.3f}"
    each = [bits(ask, ids, trained, changed) for ids in held.values()]
    mean = np.mean(each, axis=0)
    assert numbers[texts.CHANGED][0].startswith(f"{mean[1]:.3f} (")
    # The mean of all kinds, Python, and French in the accent.
    dots = [mark["y"] for mark in shown(test)["marks"]]
    more = [two - one for one, two in each]
    assert np.concatenate(dots) == pytest.approx([mean[1] - mean[0], more[1], more[0]], abs=2e-4)
    assert shown(test)["marks"][2]["color"] == "accent"
    assert texts.STOP not in [button.label for button in test.button]

    test.button(key="fewer_back").click().run()
    assert "layer_ks" not in checked(test).query_params
    assert test.button(key="lab_fewer").label == texts.MEASURE
