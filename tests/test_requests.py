"""Requests: their JSON form reads back, and anything else is an InputError."""

import json
from dataclasses import fields, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.errors import InputError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
    ChatMessage,
    CoalitionRequest,
    DirectionsRequest,
    EffectsRequest,
    GenerateRequest,
    InspectRequest,
    LensRequest,
    ModelRequest,
    Patch,
    PatchRequest,
    PredictRequest,
    Request,
    RoutesRequest,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
    from_json,
    text_or_ids,
    to_json,
)
from tests.strategies import json_values, policies

names = st.text(max_size=20)
places = st.integers(0, 10_000)
counts = st.integers(1, 10_000)
ids = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6).map(tuple)
some_ids = st.lists(places, min_size=1, max_size=6).map(tuple)
written = st.text(st.characters(), max_size=30)
texts = written | ids | st.builds(ChatMessage, written)
several = st.lists(policies, min_size=1, max_size=3).map(tuple)
full_runs = st.builds(TraceRequest, names, texts, policies, st.just("full"))
REQUESTS = {
    "trace": st.builds(TraceRequest, names, texts, policies, st.sampled_from(["routing", "full"])),
    "generate": st.builds(
        GenerateRequest,
        names,
        texts,
        several,
        counts,
        st.floats(0, 1e6),
        st.floats(0, 1, exclude_min=True),
        st.integers(0, 2**63 - 1),
    ),
    "inspect": st.builds(InspectRequest, full_runs, places, places, several),
    "attention": st.builds(
        lambda run, layer, first, more, seen: AttentionRequest(
            run, layer, first, first + more, min(seen, first)
        ),
        full_runs,
        places,
        places,
        counts,
        places,
    ),
    "predict": st.builds(
        PredictRequest, full_runs, some_ids, counts, st.sampled_from(["top", "logits"])
    ),
    "lens": st.builds(LensRequest, full_runs, places, counts),
    "directions": st.builds(DirectionsRequest, full_runs, places, some_ids),
    "effects": st.builds(
        EffectsRequest,
        full_runs,
        st.lists(st.tuples(places, places), min_size=1, max_size=3).map(tuple),
        st.sampled_from(["off", "route_around"]),
        st.just("last"),
        some_ids,
        st.booleans(),
        places,
    ),
    "patch": st.builds(
        lambda run, patches: PatchRequest(run, run, patches),
        full_runs,
        st.lists(st.builds(Patch, places, some_ids), min_size=1, max_size=2).map(tuple),
    ),
    "routes": st.builds(RoutesRequest, full_runs, places, places, st.integers(1, 1024), places),
    "coalition": st.builds(CoalitionRequest, full_runs, places, counts),
    "score": st.builds(ScoreRequest, names, texts, several, st.none() | policies),
    "time": st.builds(TimeRequest, names, texts, policies, places, counts),
    "bandwidth": st.builds(BandwidthRequest, names),
    "model": st.builds(ModelRequest, names),
}
requests = st.one_of(*REQUESTS.values())

RUN = TraceRequest("nano", "ab", RoutingPolicy(8), "full")
GENERATE = GenerateRequest("nano", "ab", (RoutingPolicy(8),))
EXAMPLES: list[tuple[Request, dict]] = [
    (
        TraceRequest("nano", "ab", RoutingPolicy(8, threshold=0.03)),
        {"request": "trace", "model": "nano", "text": "ab", "policy": "k=8,p>=0.03"}
        | {"detail": "routing"},
    ),
    (
        PredictRequest(RUN, (0, 1)),
        {
            "request": "predict",
            "run": {"model": "nano", "text": "ab", "policy": "k=8", "detail": "full"},
            "tokens": [0, 1],
            "top": 10,
            "detail": "top",
        },
    ),
    (
        ScoreRequest("nano", (5, 6), (RoutingPolicy((1, 2)), RoutingPolicy(8))),
        {"request": "score", "model": "nano", "text": [5, 6], "policies": ["k=1-2", "k=8"]}
        | {"reference": None},
    ),
    (ModelRequest("nano"), {"request": "model", "model": "nano"}),
]


def refusal(text: str) -> str | None:
    """Return what is said of a text that is no request; None when it is one, which reads back."""
    try:
        read = from_json(text)
    except InputError as error:
        return str(error)
    assert from_json(to_json(read)) == read
    return None


def test_every_request_is_tried_here():
    tried = {f"{name.capitalize()}Request" for name in REQUESTS}
    assert tried == {kind.__name__ for kind in get_args(Request)}


@given(requests)
def test_a_request_reads_back_from_its_json_form(request: Request):
    text = to_json(request)
    read = from_json(text)
    assert read == request
    assert type(read) is type(request)
    assert hash(read) == hash(request)
    assert to_json(read) == text
    assert all(
        type(getattr(read, part.name)) is type(getattr(request, part.name))
        for part in fields(request)
    )


@pytest.mark.parametrize(("request_", "form"), EXAMPLES)
def test_the_json_form_is_fixed_because_files_and_other_machines_hold_it(
    request_: Request, form: dict
):
    assert json.loads(to_json(request_)) == form
    assert from_json(json.dumps(form)) == request_


def test_what_has_a_default_may_be_left_out():
    short = '{"request": "generate", "model": "nano", "prompt": "ab", "policies": ["k=8"]}'
    assert from_json(short) == GENERATE


@given(requests, st.data())
def test_a_damaged_form_is_refused(request: Request, data: st.DataObject):
    form = json.loads(to_json(request))
    name = data.draw(st.sampled_from(sorted(form)))
    form[name] = data.draw(json_values)
    said = refusal(json.dumps(form))
    assert said is None or len(said) < 400


@given(requests, st.data())
def test_a_form_with_a_field_too_few_or_too_many_is_refused(request: Request, data: st.DataObject):
    form = json.loads(to_json(request))
    with pytest.raises(InputError, match="unknown fields"):
        from_json(json.dumps(form | {"more": None}))
    of = next(name for name in ("model", "run", "target") if name in form)
    del form[data.draw(st.sampled_from(["request", of]))]
    with pytest.raises(InputError, match=r"missing|does not say what is asked"):
        from_json(json.dumps(form))


@given(requests, st.data())
def test_text_that_was_cut_or_changed_is_never_another_error(request: Request, data: st.DataObject):
    text = to_json(request)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = data.draw(st.sampled_from(["", '"', "{", "]", "9", "e", "\0", "\\", "-"]))
    with pytest.raises(InputError):
        from_json(text[:place])
    said = refusal(text[:place] + changed + text[place + 1 :])
    assert said is None or said.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "3",
        '"trace"',
        "{}",
        "NaN",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5_000,
        '{"request": "nothing"}',
        '{"request": null}',
        '{"request": ["trace"]}',
        '{"request": {"trace": 1}}',
        '{"request": "TraceRequest", "model": "nano"}',
        '{"request": "model"}',
        '{"request": "model", "model": NaN}',
        '{"request": "model", "model": ["nano"]}',
    ],
)
def test_what_is_no_request_is_refused_in_a_sentence(text: str):
    with pytest.raises(InputError, match=r"^This is not a request: .*[^.]\.$"):
        from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 10**400},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": True},
        {"max_new_tokens": 10**400},
        {"max_new_tokens": 2.0},
        {"seed": 2**63},
        {"seed": "1"},
        {"prompt": {"a": 1}},
        {"prompt": [True]},
        {"policies": "k=8"},
        {"policies": ["k=8", None]},
        {"policies": ["k=" + "9" * 9_999]},
    ],
)
def test_values_that_do_not_fit_a_field_are_refused(change: dict):
    form = json.loads(to_json(GENERATE))
    with pytest.raises(InputError, match="This is not a request"):
        from_json(json.dumps(form | change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"policies": ()}, "at least one policy"),
        ({"max_new_tokens": 0}, "at least 1 token"),
        ({"temperature": -0.1}, "0 or more"),
        ({"temperature": float("nan")}, "0 or more"),
        ({"temperature": float("inf")}, "0 or more"),
        ({"top_p": 0.0}, "above 0"),
        ({"top_p": 1.1}, "at most 1"),
        ({"top_p": float("nan")}, "top_p"),
        ({"seed": -1}, "from 0"),
        ({"seed": 2**63}, r"2\^63"),
    ],
)
def test_a_generation_that_cannot_be(change: dict, sentence: str):
    with pytest.raises(InputError, match=sentence):
        replace(GENERATE, **change)


@pytest.mark.parametrize(
    "ask",
    [
        lambda run: InspectRequest(run, 0, 0, (RoutingPolicy(8),)),
        lambda run: AttentionRequest(run, 0, 0, 1),
        lambda run: PredictRequest(run, (0,)),
        lambda run: LensRequest(run, 0),
        lambda run: DirectionsRequest(run, 0, (1,)),
    ],
)
def test_details_are_asked_of_a_full_run(ask):
    assert ask(RUN).model == "nano"
    with pytest.raises(InputError, match='detail="full"'):
        ask(replace(RUN, detail="routing"))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: replace(RUN, detail="much"), "routing.*full"),
        (lambda: InspectRequest(RUN, 0, 0, ()), "at least one policy"),
        (lambda: AttentionRequest(RUN, 0, 2, 2), "do not fit"),
        (lambda: AttentionRequest(RUN, 0, -1, 2), "do not fit"),
        (lambda: AttentionRequest(RUN, 0, 0, 2, 2), "do not fit"),
        (lambda: PredictRequest(RUN, ()), "at least 1 token"),
        (lambda: PredictRequest(RUN, (0,), 0), "at least 1 token"),
        (lambda: PredictRequest(RUN, (0,), detail="all"), "top.*logits"),
        (lambda: LensRequest(RUN, 0, 0), "at least 1"),
        (lambda: DirectionsRequest(RUN, 0, ()), "at least 1 token id"),
        (lambda: ScoreRequest("nano", "a", ()), "at least one policy"),
        (lambda: EffectsRequest(RUN, ()), "at least one cell"),
        (lambda: EffectsRequest(RUN, ((0, 1),), "force"), '"off" or "route_around"'),
        (lambda: EffectsRequest(RUN, ((0, 1),), continuation=(1, 2)), 'read at "last"'),
        (lambda: Patch(0, ()), "has tokens"),
        (lambda: Patch(0, (1,), "hidden", 3), "sum over experts"),
        (lambda: PatchRequest(RUN, RUN, ()), "at least one patch"),
        (lambda: RoutesRequest(RUN, 0, 0, 0), "1 to 1,024 routes"),
        (lambda: CoalitionRequest(RUN, 0, 0), "at least 1 expert"),
        (lambda: TimeRequest("nano", "a", RoutingPolicy(8), runs=0), "at least 1 run"),
        (lambda: TimeRequest("nano", "a", RoutingPolicy(8), new_tokens=-1), "0 new tokens"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(ask, sentence: str):
    with pytest.raises(InputError, match=sentence):
        ask()


@given(requests)
def test_requests_cannot_be_changed(request: Request):
    with pytest.raises(AttributeError):
        request.model = "other"


def test_a_text_or_token_ids():
    assert text_or_ids("ab") == "ab"
    assert text_or_ids([1, 2]) == text_or_ids(iter((1, 2))) == (1, 2)
    for nothing in (None, 3, [None], [[1]], b"ab"[0]):
        with pytest.raises(InputError, match="text or token ids"):
            text_or_ids(nothing)
