"""The pages on the bundled model, without a browser."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.figures.labels import visible
from olmoe_viz.ui.runs import opening
from olmoe_viz.ui.texts import frame
from olmoe_viz.ui.widgets.wording import place, plain
from tests.ui.visitor import ROOT, app, checked, drawn, page

HOSTILE = {
    "emoji": "🙂👩‍👩‍👧‍👦",
    "arabic": "كان يا ما كان",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "formula": "$x^2$ **bold** :red[red] [link](javascript:alert(1))",
    "nul": "a\0b",
    "long": "word " * 2_000,
}
SHOWN = [name for name in HOSTILE if name != "long"]


def run_prompt(test: AppTest, prompt: str) -> AppTest:
    test.text_area(key="draft").set_value(prompt)
    return checked(next(b for b in test.button if b.label == "Run").click().run())


def choose(test: AppTest, key: str, value: object) -> AppTest:
    return checked(test.segmented_control(key=key).set_value(value).run())


def specs(test: AppTest) -> list[str]:
    """The figures on the page as JSON text."""
    return list(drawn(test).values())


def texts(test: AppTest) -> list[str]:
    return [text.value for text in test.text]


def test_the_first_paint_needs_no_torch_and_no_tables() -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        "test = AppTest.from_file('app.py', default_timeout=60).run()\n"
        "assert not test.exception and test.text_area(key='draft').value\n"
        "assert not {'pandas', 'pyarrow'} & sys.modules.keys()\n"
        "test.switch_page('pages/compare.py').run()\n"
        "test.switch_page('pages/about.py').run()\n"
        "assert not test.exception\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    script = f"import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, '.')\n" + code.replace(
        "'app.py'", repr(str(ROOT / "app.py"))
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


@pytest.mark.parametrize("how", ["not installed", "broken"])
def test_where_torch_cannot_be_imported_every_page_shows_what_is_recorded(
    how: str, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError")
    without = {
        "not installed": "sys.modules['torch'] = None",
        "broken": f"sys.path.insert(0, {str(tmp_path)!r})",
    }
    script = (
        f"import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, '.')\n"
        f"{without[how]}\n"
        "from tests.ui.visitor import app\n"
        "for name in ('map', 'follow', 'compare', 'quality', 'runs', 'about', 'glossary'):\n"
        "    test = app(name=name)\n"
        "    assert not test.error, (name, test.error)\n"
        "for name in ('map', 'follow'):\n"
        "    (said,) = app('prompt=Nobody+recorded+this', name).error\n"
        "    assert said.value.startswith('No model runs here'), said.value\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def test_a_prompt_of_ones_own_draws_map_bars_lines_and_load() -> None:
    test = run_prompt(app(), "The cat sat on the mat")
    figures = drawn(test)
    assert "top 8: 0." in figures["bars"]
    assert "retained mass" in figures["mass"]
    assert "probability" in figures["journey"]
    assert "share of tokens" in figures["load"]
    assert any("layer 7" in text for text in texts(test))
    assert (
        test.selectbox(key="pick_token").value == len(test.selectbox(key="pick_token").options) - 1
    )


def cutoff_in_force(test: AppTest) -> str:
    """The bold words in the bars."""
    (words,) = (
        note["text"] for note in json.loads(drawn(test)["bars"])["figure"]["notes"] if note["bold"]
    )
    return str(words)


def test_k_moves_the_cutoff_and_stays_on_the_other_pages() -> None:
    test = run_prompt(app(), "The cat sat on the mat")
    assert cutoff_in_force(test).startswith("top 8: ")
    choose(test, "choice_k", 32)
    assert cutoff_in_force(test).startswith("top 32: ")
    page(test, "about")
    page(test, "map")
    assert test.segmented_control(key="choice_k").value == 32
    assert test.text_area(key="draft").value == "The cat sat on the mat"


def test_token_and_layer_can_be_chosen_without_the_map() -> None:
    test = run_prompt(app(), "The cat sat on the mat")
    before = drawn(test)
    checked(test.selectbox(key="pick_token").set_value(0).run())
    checked(test.number_input(key="pick_layer").set_value(3).run())
    assert all(drawn(test)[key] != before[key] for key in ("bars", "mass", "journey"))
    assert any("token 0  ·  layer 3" in text for text in texts(test))


def of_map(test: AppTest) -> dict[str, Any]:
    """The data of the one map on the page, as its feed is given them."""
    parts = [part.proto for part in test.get("bidi_component")]
    (feed,) = (part for part in parts if part.component_name == "olmoe_viz_routing_feed")
    data: dict[str, Any] = json.loads(feed.json)[0]
    return data


@pytest.mark.parametrize("view", ["mass", "entropy", "margin", "drift", "follow"])
def test_every_view_of_the_map_draws(view: str) -> None:
    test = choose(run_prompt(app(), "The cat sat"), "view", view)
    assert [error.value for error in test.error] == []
    data = of_map(test)
    assert (data["view"], data["tokens"]) == (view, ["The", " cat", " sat"])
    assert data["layerIds"] == list(range(16))


def test_a_link_restores_the_view_and_nonsense_in_it_does_no_harm() -> None:
    test = app("k=12&layer=3&prompt=The+cat&weights=renormalized&token=0")
    assert test.text_area(key="draft").value == "The cat"
    assert test.segmented_control(key="choice_k").value == 12
    assert any("token 0  ·  layer 3" in text for text in texts(test))
    wild = app("k=-1&layer=99999999&model=/etc/passwd&weights=%27&token=zebra")
    assert wild.segmented_control(key="choice_k").value == 8


@pytest.mark.parametrize("name", SHOWN)
def test_hostile_prompts_are_data(name: str) -> None:
    test = run_prompt(app(), HOSTILE[name])
    trace = ov.trace(ov.load_model(), HOSTILE[name])
    assert b"".join(trace.token_bytes) == HOSTILE[name].encode()
    assert test.selectbox(key="pick_token").options == [
        f"{at}  {visible(token)}" for at, token in enumerate(trace.tokens)
    ]
    last = len(trace.tokens) - 1
    assert place(trace.tokens[last], last, 7, range(16)) in texts(test)
    assert specs(test)
    for shown in (*test.markdown, *test.caption):
        assert "<script" not in shown.value


def test_a_prompt_that_is_too_long_is_refused_with_its_length_and_kept() -> None:
    test = run_prompt(app(), HOSTILE["long"])
    (refused,) = test.error
    assert refused.value.startswith(plain("The text has 2,001 tokens;"))
    assert specs(test) == []
    assert test.text_area(key="draft").value == HOSTILE["long"]


def test_an_empty_prompt_is_a_hint_and_the_page_stays() -> None:
    test = run_prompt(app(), "")
    assert not test.error
    assert [hint.value for hint in test.info] == [plain(frame.NO_PROMPT)]
    assert specs(run_prompt(test, "The cat"))


def test_about_has_costs_by_formula_and_says_who_made_the_model() -> None:
    test = app(name="about")
    assert "1.28 B" in test.table[0].value["active parameters"].tolist()
    words = " ".join(m.value for m in test.markdown)
    assert "not the authors of OLMoE" in words


def test_quality_shows_the_recorded_numbers_of_the_chosen_text() -> None:
    test = app(name="quality")
    everything, before = test.table[0].value, specs(test)
    assert len(before) == 8
    german = checked(test.selectbox(key="quality_domain").select("german").run())
    shown = german.table[0].value
    recorded = pd.read_csv(ROOT / "olmoe_viz/data/quality.csv")
    of_german = recorded[recorded["domain"] == "german"].set_index(["k", "weighting"])
    assert shown["k"].astype(int).tolist() == [1, 2, 4, 8, 16, 32, 64]
    for k, cell in zip(shown["k"].astype(int), shown["native"], strict=True):
        bits, low, high = of_german.loc[(k, "native"), ["bits_per_byte", "low", "high"]]
        assert cell == f"{bits:.3f} ({low:.3f} to {high:.3f})"
    assert not shown["native"].equals(everything["native"])
    same = [old == new for old, new in zip(before, specs(german), strict=True)]
    assert same == [False, False, *[True] * 6]


def test_drift_says_that_it_is_drawn_from_two_runs() -> None:
    test = app("view=drift&against=12")
    said = [part.value for part in test.markdown if part.value.startswith(":gray-badge")]
    assert said[:3] == [f":gray-badge[{name}]" for name in ("recorded", "live", "recorded")]


def test_files_are_taken_in_one_place_and_none_is_larger_than_it_takes() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] * 10**6 == opening.UPLOAD_LIMIT
    paths = [path for folder in ("pages", "olmoe_viz/ui") for path in (ROOT / folder).rglob("*.py")]
    taking = [path for path in paths if "file_uploader" in path.read_text(encoding="utf-8")]
    assert taking == [Path(opening.__file__)]
