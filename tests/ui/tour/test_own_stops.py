"""A teacher's own stops: what is read, what is refused in which words, and links."""

import json
import re
import zlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import yaml

import olmoe_viz as ov
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.session.selection import EXAMPLE_PROMPT, Expert, entry
from olmoe_viz.ui.texts import own_stops as texts
from olmoe_viz.ui.tour import own_stops
from olmoe_viz.ui.tour.own_stops import LARGEST_FILE, LONGEST_LINK, MOST_STOPS, OwnStopsError
from olmoe_viz.ui.tour.stop_fields import PLACES, rules
from olmoe_viz.ui.tour.stops import OwnQuestion, Question
from tests.ui.visitor import ROOT, app, checked, page

SAMPLE = (ROOT / "docs" / "stops.yaml").read_bytes()
NANO = entry(BUNDLED)
ONE = {"title": "One", "text": "First."}
MARKUP = "<b onclick=alert(1)>x</b> **y** [z](http://a.b) $q$ :red[w] {layers.__class__}"


def read(written: object, *, model: object = NANO) -> own_stops.OwnStops:
    return own_stops.from_file(json.dumps(written).encode(), is_json=True, model=model)


def problems(data: bytes | object, *, is_json: bool = False) -> tuple[str, ...]:
    if not isinstance(data, bytes):
        data, is_json = json.dumps(data).encode(), True
    with pytest.raises(OwnStopsError) as caught:
        own_stops.from_file(data, is_json=is_json, model=NANO)
    return caught.value.problems


def packed(stops: bytes) -> str:
    return urlsafe_b64encode(zlib.compress(stops)).decode().rstrip("=")


def test_the_sample_has_every_field_and_says_what_is_so() -> None:
    found = own_stops.from_file(SAMPLE, is_json=False, model=NANO)
    code, prose, follow, quality = found.stops
    assert (follow.page, follow.target, quality.question) == ("follow", "step_6", "quality")
    comment = " ".join(re.sub("(?m)^ *#", "", SAMPLE.decode().split("\nstops:")[0]).split())
    for name in (*rules(NANO), *PLACES, "40 stops and 32 kB", "6,000"):
        assert name in comment
    places = [place for of_page in PLACES.values() for place in of_page]
    assert [place for place in places if "step" not in place and place not in comment] == []
    assert isinstance(prose.question, OwnQuestion)
    assert prose.question.options == ("yes", "no", "it depends on the layer")
    model = ov.load_model()
    first, second = (
        ov.trace(model, stop.selection.prompt, ov.RoutingPolicy(8)) for stop in (code, prose)
    )
    assert first.token_ids[-1] == second.token_ids[-1]
    strongest = [trace.expert_ids[:, -1, 0].tolist() for trace in (first, second)]
    same = [layer for layer in range(16) if strongest[0][layer] == strongest[1][layer]]
    assert same == [0, 2, 3, 5, 9, 15]
    assert "In 6 of the 16 layers" in prose.question.because
    assert "in 0, 2, 3, 5, 9 and 15." in prose.question.because
    assert f"7·{strongest[0][7]} in code and 7·{strongest[1][7]} in" in prose.question.because


def test_yaml_and_json_say_the_same_and_yaml_makes_no_numbers_of_words() -> None:
    text = b"stops:\n- {title: no, text: 2026-12-01, expert: 7.20, k: 4, weights: gain-anchored}"
    (stop,) = own_stops.from_file(text, is_json=False, model=NANO).stops
    assert (stop.title, stop.text, stop.selection.expert) == ("no", "2026-12-01", Expert(7, 20))
    assert (stop.selection.k, stop.selection.weighting) == (4, "gain_anchored")
    assert (stop.page, stop.target, stop.view) == ("map", "map", "strongest")
    assert stop.selection.prompt == EXAMPLE_PROMPT
    same = {"title": "no", "text": "2026-12-01", "expert": "7.20", "k": 4}
    assert read({"stops": [{**same, "weights": "gain-anchored"}]}).stops == (stop,)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("layer", 16, texts.NUMBER.format(least=0, most=15)),
        ("layer", True, texts.NUMBER.format(least=0, most=15)),
        ("k", "8", texts.NUMBER.format(least=1, most=64)),
        ("token", -1, texts.NUMBER.format(least=0, most=1023)),
        ("expert", 7.2, texts.EXPERT.format(layer=15, id=63)),
        ("expert", "16.0", texts.EXPERT.format(layer=15, id=63)),
        ("page", "../../etc/passwd", texts.one_of(PLACES)),
        ("point", "step 6", texts.one_of(PLACES["map"])),
        ("title", "\ud800", texts.TEXT.format(most=100)),
        ("title", "x" * 101, texts.TEXT.format(most=100)),
        ("words", ["router", "magic"], texts.no_word("magic")),
        ("words", ["router", "router"], texts.TWICE),
        ("color", "red", texts.no_field(rules(NANO))),
        ("question", {"ask": "?", "options": ["a", "b"], "answer": "c"}, 'in it, field "answer"'),
        ("question", {"ask": "?", "options": ["a"], "answer": "a"}, 'in it, field "options"'),
        ("question", "perplexity", f"must be one of {', '.join(get_args(Question))}, or have"),
    ],
)
def test_an_error_names_the_stop_and_the_field(field: str, value: object, what: str) -> None:
    (problem,) = problems({"stops": [ONE, {**ONE, field: value}]})
    assert problem.startswith(f'Stop 2, field "{field}": {what}')


def test_all_that_is_wrong_is_said_at_once_up_to_a_bound() -> None:
    found = problems({"stops": [{"text": "x", "k": 0}, 5]})
    assert [each.split(":")[0] for each in found] == [
        'Stop 1, field "title"',
        'Stop 1, field "k"',
        "Stop 2 must be a list of fields with values.",
    ]
    many = problems({"stops": [{f"a{number}": 1 for number in range(99)}]})
    assert len(many) == 9
    assert many[-1] == texts.MORE_ERRORS


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", texts.NO_LIST.format(most=MOST_STOPS)),
        (b"stops: []", texts.NO_LIST.format(most=MOST_STOPS)),
        (b"stops: [" + b"{title: x, text: y}, " * 41 + b"]", texts.NO_LIST.format(most=MOST_STOPS)),
        (b"a: &a [x]\nstops: [*a, *a]", texts.unread(2, texts.REFERENCES)),
        (b"stops:\n- title: x\n  title: y", texts.unread(3, texts.FIELD_TWICE)),
        (b"stops: !!python/object/apply:os.system [ls]", "Line 1 of the file cannot be read: "),
        (b"stops: !!int x", texts.unread(None, texts.NO_VALUE)),
        (b"stops: " + b"[" * 9_000, texts.DEEP),
        (b"stops:\n\t- x", "Line 2 of the file cannot be read: found character"),
        (b"\xff\xfe", texts.NOT_UTF8),
        (b"\x00", texts.unread(None, texts.NO_VALUE)),
        (b"x" * (LARGEST_FILE + 1), texts.too_large(LARGEST_FILE + 1, LARGEST_FILE)),
    ],
    ids=lambda part: repr(part[:16]),
)
def test_what_is_no_list_of_stops_is_refused_in_a_sentence(data: bytes, what: str) -> None:
    (problem,) = problems(data)
    assert problem.startswith(what)
    with pytest.raises(OwnStopsError):
        own_stops.from_file(data, is_json=True, model=NANO)


def test_a_link_carries_the_stops_and_nothing_else_is_opened_for_it() -> None:
    found = own_stops.from_file(SAMPLE, is_json=False, model=NANO)
    assert found.link is not None
    assert re.fullmatch("[A-Za-z0-9_-]+", found.link)
    assert own_stops.from_link(found.link, NANO) == found
    small = replace(NANO, layers=5, experts=24)
    with pytest.raises(OwnStopsError, match=r'Stop 1, field "layer": .* from 0 to 4'):
        own_stops.from_link(found.link, small)
    draw = np.random.default_rng(0)
    texts_of_all = [draw.bytes(300).hex() for _ in range(MOST_STOPS)]
    assert read({"stops": [{**ONE, "text": text} for text in texts_of_all]}).link is None


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x",
        "http://elsewhere/stops.yaml",
        "../docs/stops.yaml",
        packed(b" " * 10**7 + b"[]"),
        packed(b"[" * 30_000),
        packed(json.dumps([ONE]).encode())[:-4],
        "A" * (LONGEST_LINK + 1),
        packed(b"{}"),
    ],
    ids=lambda link: link[:12],
)
def test_a_link_that_is_damaged_or_unpacks_to_too_much_is_refused(link: str) -> None:
    with pytest.raises(OwnStopsError):
        own_stops.from_link(link, NANO)


def test_a_file_is_opened_on_class_and_played_and_its_words_are_never_markup() -> None:
    test = app(name="classroom")
    test.file_uploader(key="own_stops_0").set_value(("a.yaml", b"stops: 5", "text/yaml"))
    test = checked(test.run())
    assert [each.value.replace("\\", "") for each in test.error] == [
        texts.NO_LIST.format(most=MOST_STOPS)
    ]
    question = {"ask": MARKUP, "options": ["a", MARKUP], "answer": "a", "because": MARKUP}
    first = {"title": MARKUP, "text": MARKUP, "question": question, "prompt": "One two", "k": 4}
    data = yaml.safe_dump({"stops": [first, {**ONE, "page": "quality"}]}, sort_keys=False).encode()
    test.file_uploader(key="own_stops_1").set_value(("a.yaml", data, "text/yaml"))
    test = checked(test.run())
    assert any(f"1. {MARKUP}" in each.value for each in test.text)
    test = checked(test.button(key="play_own_stops").click().run())
    assert "1 of 2" in [each.value for each in test.caption]
    key = f"tour_guess_1{read({'stops': [first, {**ONE, 'page': 'quality'}]}).digest}"
    test = checked(test.segmented_control(key=key).set_value("a").run())
    shown = [each.value for kind in (test.subheader, test.markdown) for each in kind]
    for value in shown:
        assert not re.search(r"(?<!\\)<b |(?<!\\)\*\*y|(?<!\\)\[z|(?<!\\)\$q|(?<!\\):red", value)
    assert sum("onclick" in value for value in shown) == 3
    assert page(test, "map").segmented_control(key="choice_k").value == 4
    test = checked(test.button(key="tour_Next").click().run())
    assert "2 of 2" in [each.value for each in test.caption]


def test_a_link_plays_its_stops_and_a_damaged_one_says_so() -> None:
    link = read({"stops": [ONE, {**ONE, "title": "Two", "page": "compare", "against": 32}]}).link
    test = app(f"stops={link}&tour=2", name="map")
    assert [each.value for each in test.subheader if each.value in ("One", "Two")] == ["Two"]
    assert test.segmented_control(key="choice_against").value == 32
    test = app("stops=nonsense&tour=2", name="map")
    assert [each.value.replace("\\", "") for each in test.error] == [texts.DAMAGED_LINK]
    assert not [each for each in test.button if each.key == "tour_leave"]
