"""The page Runs as a visitor meets it, and the other pages while a run is open."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.analysis.run import run_of
from olmoe_viz.exchange import long_form
from olmoe_viz.exchange.about import metadata_of
from olmoe_viz.exchange.routes import routes_of
from olmoe_viz.figures.labels import visible
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.texts import color_key
from olmoe_viz.ui.texts import compare as compare_texts
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.engines import Watched, serve
from tests.ui.visitor import app, checked, drawn, page

PROMPT = "A text that only a file has"


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    model = ov.load_model()
    return [ov.trace(model, PROMPT, RoutingPolicy(k)) for k in (8, 16)]


@pytest.fixture
def folder(tmp_path: Path, configure: Callable[..., None]) -> Path:
    configure(runs=str(tmp_path))
    return tmp_path


def press(test: AppTest, label: str) -> AppTest:
    return checked(next(one for one in test.button if one.label == label).click().run())


def opened(test: AppTest, name: str) -> AppTest:
    box = next(one for one in test.selectbox if one.label == texts.FOLDER)
    return press(checked(box.select(name).run()), texts.OPEN)


def captions(test: AppTest) -> list[str]:
    return [one.value for one in test.caption]


def test_without_a_run_the_page_says_what_to_do() -> None:
    said = captions(app(name="runs"))
    assert texts.NONE_OPENED in said
    assert texts.NEEDS_TWO in said


def test_an_opened_run_answers_the_pages_and_the_engine_is_not_asked(
    folder: Path, traces: list[Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    serve(monkeypatch, watched)
    traces[0].save(folder / "eight.safetensors")
    test = opened(app(name="runs"), "eight.safetensors")
    press(test, texts.SHOW)
    on_map = page(test, "map")
    assert on_map.text_area(key="draft").value == PROMPT
    assert [error.value for error in on_map.error] == []
    named = texts.from_file(plain("eight.safetensors"))
    assert named in captions(on_map)
    badges = [one.value for one in on_map.markdown if one.value.startswith(":gray-badge")]
    assert ":gray-badge[recorded]" in badges
    assert ":gray-badge[live]" not in badges
    checked(on_map.segmented_control(key="view").set_value("drift").run())
    (said,) = on_map.error
    assert said.value.startswith(plain("No opened file holds this text with k=16."))
    follow = page(test, "follow")
    assert [error.value for error in follow.error] == []
    assert drawn(follow)
    assert named in captions(follow)
    assert named in captions(page(test, "lab"))
    assert not [one for one in watched.asked if isinstance(one, TraceRequest)]
    closed = press(page(test, "runs"), texts.CLOSE)
    assert texts.NONE_OPENED in captions(closed)
    assert named not in captions(page(closed, "map"))


def test_two_opened_runs_are_set_against_each_other(folder: Path, traces: list[Trace]) -> None:
    for name, trace in zip(("a.safetensors", "b.safetensors"), traces, strict=True):
        trace.save(folder / name)
    test = opened(opened(app(name="runs"), "a.safetensors"), "b.safetensors")
    boxes = [test.selectbox(key=f"two_{at}") for at in range(2)]
    named = boxes[0].options
    checked(boxes[0].select(named[-2]).run())
    checked(test.selectbox(key="two_1").select(named[-1]).run())
    figures = drawn(test)
    assert {"two_shared", "two_mass", "two_load", "two_loads_0", "two_loads_1"} <= figures.keys()
    assert texts.same_tokens(len(traces[0].tokens)) in [one.value for one in test.text]


def test_a_run_of_an_unknown_model_can_be_compared_and_not_shown(
    folder: Path, make_trace: Callable[..., Trace]
) -> None:
    make_trace().save(folder / "odd.safetensors")
    test = opened(app(name="runs"), "odd.safetensors")
    assert texts.UNKNOWN_MODEL in captions(test)
    assert texts.SHOW not in [one.label for one in test.button]


def test_a_damaged_file_is_said_and_nothing_is_opened(folder: Path, traces: list[Trace]) -> None:
    path = folder / "bad.safetensors"
    traces[0].save(path)
    path.write_bytes(path.read_bytes()[:-7])
    test = opened(app(name="runs"), "bad.safetensors")
    (said,) = test.error
    assert said.value.startswith(plain("bad.safetensors is not a readable trace"))
    assert texts.NONE_OPENED in captions(test)


def test_what_one_visitor_opens_no_other_sees(folder: Path, traces: list[Trace]) -> None:
    odd = replace(traces[0], request=TraceRequest(BUNDLED, PROMPT, RoutingPolicy(8)))
    odd.save(folder / "run.safetensors")
    opened(app(name="runs"), "run.safetensors")
    assert texts.NONE_OPENED in captions(app(name="runs"))


def test_written_texts_are_opened_on_compare_as_they_were_written(folder: Path) -> None:
    model = ov.load_model()
    policies = [RoutingPolicy(k) for k in (8, 16)]
    written = Comparison(tuple(ov.compare(model, PROMPT, policies, max_new_tokens=5)))
    written.save(folder / "texts.safetensors")
    test = page(press(opened(app(name="runs"), "texts.safetensors"), texts.SHOW), "compare")
    shown = test.session_state["comparison"]
    assert [column.text for column in shown.columns] == [one.text for one in written.generations]
    assert shown.settings.new_tokens == 5
    assert texts.from_file(plain("texts.safetensors")) in captions(test)
    assert test.text_area(key="draft").value == PROMPT
    assert ":gray-badge[recorded]" in [one.value for one in test.markdown]


def test_texts_of_other_weights_are_shown_and_said_not_to_be_measured(folder: Path) -> None:
    found = ov.compare(ov.load_model(), PROMPT, [RoutingPolicy(k) for k in (8, 16)], 2)
    other = replace(found[0].provenance, digest="sha256:other")
    written = Comparison(tuple(replace(each, provenance=other) for each in found))
    written.save(folder / "texts.safetensors")
    test = page(press(opened(app(name="runs"), "texts.safetensors"), texts.SHOW), "compare")
    assert plain(compare_texts.OTHER_WEIGHTS) in [one.value for one in test.info]
    assert [column.text for column in test.session_state["comparison"].columns] == [
        one.text for one in found
    ]


def test_routes_of_another_tool_are_drawn_as_far_as_they_go(traces: list[Trace]) -> None:
    test = app(name="runs")
    table = b"token,layer,expert,weight\n0,3,5,.5\n0,3,2,.25\n1,9,7,1\n"
    field = test.file_uploader(key="routes")
    checked(field.set_value(("other.csv", table, "text/csv")).run())
    words = texts.routes(2, 2, 2, ["weight"], drawn=2)
    assert words in [one.value for one in test.text]
    (cells,) = json.loads(drawn(test)["routes_map"])["figure"]["marks"]
    assert cells["more"]["expert id"] == [[5, -1], [-1, 7]]
    assert cells["more"]["weight"] == [[0.5, None], [None, 1.0]]
    assert "routes_load" in drawn(test)
    answer = ("answer.json", b'{"routed_experts": [[[1, 1]]]}', "application/json")
    checked(test.file_uploader(key="routes").set_value(answer).run())
    assert [plain("the same expert twice") in one.value for one in test.error] == [True]
    assert "routes_map" not in drawn(test)


def test_routes_that_were_exported_here_say_where_they_are_from(
    tmp_path: Path, traces: list[Trace]
) -> None:
    run = run_of(traces[0])
    written = long_form.table(routes_of(run), metadata_of(run))
    badges, named, keys = {}, {}, {}
    for kind in (".parquet", ".csv"):
        path = tmp_path / f"routes{kind}"
        long_form.write(path, kind, written)
        test = app(name="runs")
        upload = (path.name, path.read_bytes(), "application/octet-stream")
        checked(test.file_uploader(key="routes").set_value(upload).run())
        badges[kind] = [one.value for one in test.markdown if "-badge[" in one.value][-1]
        (cells,) = json.loads(drawn(test)["routes_map"])["figure"]["marks"]
        named[kind] = cells["columns"]
        keys[kind] = color_key.DISTINCT in captions(test)
        assert cells["more"]["expert id"] == traces[0].expert_ids[..., 0].tolist()
    assert badges == {".parquet": ":gray-badge[recorded]", ".csv": ":gray-badge[quoted]"}
    assert named[".csv"][:2] == ["0 0", "1 1"]
    assert named[".parquet"][0] == f"0 {visible(traces[0].tokens[0])}"
    # Only where the weights are known the colors are those of the other pages.
    assert keys == {".parquet": False, ".csv": True}
