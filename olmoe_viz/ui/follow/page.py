"""The page: it asks for what each step needs, and hands records and arrays to what draws them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from olmoe_viz.analysis.embedding import cosine_similarities
from olmoe_viz.numerics import routing
from olmoe_viz.ui.follow import (
    attention_step,
    bar,
    claims,
    expert_steps,
    measuring,
    more_experts,
    prediction_step,
    router_steps,
    so_what,
    text_steps,
)
from olmoe_viz.ui.follow.details import Details, begin
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.follow.step import so_line, step, way
from olmoe_viz.ui.map.observed_panels import first_token
from olmoe_viz.ui.runs import from_file, keeping
from olmoe_viz.ui.session import answers, engine, opened, state, url
from olmoe_viz.ui.session.errors import guard
from olmoe_viz.ui.session.settings import FollowSettings
from olmoe_viz.ui.texts import claims as claim_texts
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.texts import follow_steps as words
from olmoe_viz.ui.texts import more_experts as more_texts
from olmoe_viz.ui.texts.follow_steps import StepWords
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.overview import overview, payload
from olmoe_viz.ui.widgets.rail import rail
from olmoe_viz.ui.widgets.token_characters import described
from olmoe_viz.ui.widgets.wording import layer_of

_LAST = 64  # tokens after which the entropies of both ks are compared


def draw() -> None:
    """Draw the page for the selection in force."""
    st.html(Path(__file__).with_name("follow.css"))
    details = begin()
    if details is None:
        return
    place, trace = details.place, details.trace
    bar.draw(place, trace.tokens, state.change)
    offer = st.empty()  # kept without an offer: else all below would move
    with offer.container():
        from_file.say(opened.name_of(trace))
        if not details.full and answers.from_file(trace):
            st.caption(texts.FILE_LACKS_VECTORS)
        elif not details.full:
            bar.offer(None if engine.records_only() else state.change)
    with st.container(horizontal=True, wrap=False, gap="large", key="follow_page"):
        with st.container(width=170, key="follow_left"), st.container(key="follow_rail"):
            rail(
                [*(each.words.name for each in _STEPS), more_texts.NAME],
                label=texts.STEPS,
                key="rail",
            )
        with st.container(key="follow_story", gap="medium"):
            _overview(details)
            strongest = trace.expert_ids[:, place.token, 0]  # the strongest stands first
            bar.journey(place, strongest, details.probabilities, state.change)
            for each in _STEPS:
                if each.words in _WAYS:
                    way(_WAYS[each.words](details), each.words.number)
                _draw(each, details)
            _more_experts(details)
            keeping.buttons(trace, key="keep", cell=(place.layer, place.token))


def _overview(details: Details) -> None:
    """The whole model with the chosen token; a part leads to its step in the layer it shows."""
    place = details.place
    drawing = payload.build(details.trace, token=place.token, layer=place.layer, theme=place.theme)
    overview(
        drawing,
        here=True,
        plays=False,
        opens=state.opened_step(),
        on_open=lambda _, layer: state.change(layer=layer),
        key="overview",
    )


@dataclass(frozen=True)
class _Step:
    """A step: its words, the array it makes, and what asks for its numbers and draws them.

    `so` says in a sentence what the numbers come to, `worded` fits the words to what is chosen.
    """

    words: StepWords
    shape: Callable[[Details], str]
    draw: Callable[[Details], None]
    so: Callable[[Details], str]
    worded: Callable[[StepWords, Place], StepWords] | None = None


def _draw(each: _Step, details: Details) -> None:
    """A step with its numbers, or with the sentence that says why there are none.

    Where the engine cannot compute one of them, the step ends with a sentence, and the rest of the
    page is drawn.
    """
    shows = details.full or not each.words.vectors
    source = details.origin if shows else None
    said = each.worded(each.words, details.place) if each.worded else each.words
    with step(said, each.shape(details), source, _where(each.words.number, details)), guard():
        if shows:
            each.draw(details)
            so_line(each.so(details), each.words.number)
        else:
            _missing(details, texts.COMPUTED_LIVE)


def _where(number: int, details: Details) -> str:
    """Before all layers, in the chosen one, or after them."""
    layer_ids = details.place.geometry.layer_ids
    if number < words.ATTENTION.number:
        return texts.before_layers(layer_ids)
    if number < words.PREDICTION.number:
        return layer_of(details.place.layer, layer_ids)
    return texts.after_layers(layer_ids)


def _missing(details: Details, remedy: str) -> None:
    """Say that the stored example lacks something, and what helps where a model can run."""
    if answers.from_file(details.trace):
        st.caption(texts.FILE_LACKS_VECTORS)
        return
    st.caption(f"{texts.NO_VECTORS} {texts.NO_MODEL if engine.records_only() else remedy}")


def _what_is_dropped(said: StepWords, place: Place) -> StepWords:
    return replace(said, sentence=f"{said.sentence} {words.DROPPED[place.weighting]}")


def _formula_of_weights(said: StepWords, place: Place) -> StepWords:
    total, added = said.formula
    weights = expert_steps.weights_formula(place.weighting, place.geometry.trained_k)
    return replace(said, formula=(total, weights, added))


def _change_token(token: int) -> None:
    state.change(token=token)


def _change_weighting(weighting: str) -> None:
    state.change(weighting=weighting)


def _tokenization(details: Details) -> None:
    trace = details.trace
    ids, spelled = trace.token_ids.tolist(), described(trace.token_bytes)
    text_steps.tokenization(details.place, trace.tokens, ids, spelled, _change_token)


def _embedding(details: Details) -> None:
    trace, place = details.trace, details.place
    assert trace.hidden_states is not None  # noqa: S101 - the step is only drawn of a full record
    vector = trace.hidden_states[0, place.token]
    cosines = cosine_similarities(trace, place.token)
    text_steps.embedding(place, trace.tokens, vector, cosines, _change_token)


def _attention(details: Details) -> None:
    row = details.attention_row
    before, added = details.stream_around_attention
    attention_step.attention(details.place, details.trace.tokens, row, before, added)
    _whole_map()


@st.fragment
def _whole_map() -> None:
    """One head's causal map, drawn only while it is open.

    What a fragment is called with stays in memory as long as the tab is open, so this one asks for
    the run itself.
    """
    chosen = url.current(FollowSettings)
    url.mirror(chosen)
    st.session_state["attention_fold"] = chosen.head is not None
    fold = st.expander(texts.WHOLE_MAP, key="attention_fold", on_change=_unfold)
    if chosen.head is None:
        return
    with fold, guard():
        details = begin()
        if details is None or not details.full:
            return
        place, tokens = details.place, details.trace.tokens
        head = min(chosen.head, place.geometry.heads - 1)
        attention_step.head_input(head, place.geometry.heads, _change_head)
        first, stop = attention_step.window(place, len(tokens))
        weights = details.attention_window(first, stop, head)
        attention_step.whole_map(place, tokens, weights, first=first, head=head)


def _unfold() -> None:
    url.keep(FollowSettings(0 if st.session_state["attention_fold"] else None))


def _change_head(head: int) -> None:
    url.keep(FollowSettings(head))


def _router(details: Details) -> None:
    logits = details.logits
    if not details.full:
        router_steps.router(details.place, logits, None)
        _missing(details, texts.DIRECTION_IS_LIVE)
        return
    seen = details.inspection(details.trace)
    router_steps.router(details.place, logits, seen.router_cosines)
    layer = details.place.layer
    st.text(texts.direction(layer, seen.router_cosines, logits, seen.input_norm))


def _softmax(details: Details) -> None:
    row = details.probabilities[details.place.row]
    router_steps.softmax(details.place, details.logits, row)


def _top_k(details: Details) -> None:
    row = details.probabilities[details.place.row]
    router_steps.top_k(details.place, details.logits, row, details.ran, details.ranked)
    special = first_token(details.trace, details.place.layer) if not details.place.token else None
    if special is not None:
        st.caption(special)


def _experts(details: Details) -> None:
    expert_steps.experts(details.place, details.inspection(details.trace))


def _combination(details: Details) -> None:
    place, seen = details.place, details.inspection(details.trace)
    expert_steps.combination(place, seen, _change_weighting)
    other = details.other
    if other is None:
        return
    expert_steps.change_of_output(place, seen, details.inspection(other))
    distances = details.distances(other)
    if distances is not None:
        expert_steps.through_layers(place, distances)


def _prediction(details: Details) -> None:
    place, other = details.place, details.other
    if other is None:
        return
    one, two = details.predictions(details.trace), details.predictions(other)
    prediction_step.next_tokens(place, one, two)
    prediction_step.through_layers(place, details.lens())
    prediction_step.pushes(place, one, *details.pushes(int(one.top_ids[0, 0])))


def _shape(form: str) -> Callable[[Details], str]:
    """A shape with the model's sizes filled in by name."""

    def filled(details: Details) -> str:
        geometry, place = details.place.geometry, details.place
        sizes: dict[str, Any] = {
            "tokens": len(details.trace.tokens),
            "seen": place.token + 1,
            "hidden": geometry.hidden,
            "heads": geometry.heads,
            "experts": geometry.experts,
            "vocab": geometry.vocab,
            "k": place.k,
            "larger_k": max(place.ks),
        }
        return form.format(**sizes)

    return filled


_STEPS = (
    _Step(
        words.TOKENIZATION,
        _shape("token_ids [{tokens}] int64"),
        _tokenization,
        so_what.tokenization,
    ),
    _Step(
        words.EMBEDDING,
        _shape("hidden_states[0, token] [{hidden}] float32"),
        _embedding,
        so_what.embedding,
    ),
    _Step(
        words.ATTENTION,
        _shape("attention weights of the token [{heads} heads, {seen} tokens up to it] float32"),
        _attention,
        so_what.attention,
    ),
    _Step(
        words.ROUTER,
        _shape("router_logits[layer, token] [{experts}] float32"),
        _router,
        so_what.router,
    ),
    _Step(
        words.SOFTMAX,
        _shape("probabilities[layer, token] [{experts}] float64"),
        _softmax,
        so_what.softmax,
    ),
    _Step(
        words.TOP_K,
        _shape("ids [{k}] int64, probabilities [{k}]"),
        _top_k,
        so_what.top_k,
        _what_is_dropped,
    ),
    _Step(
        words.EXPERTS,
        _shape("outputs [{larger_k} experts, {hidden}] float32"),
        _experts,
        so_what.experts,
    ),
    _Step(
        words.COMBINATION,
        _shape("sums [2 policies, {hidden}] float32"),
        _combination,
        so_what.combination,
        _formula_of_weights,
    ),
    _Step(words.PREDICTION, _shape("logits [{vocab:,}] float32"), _prediction, so_what.prediction),
)
# What is said before a step.
_WAYS = {words.ATTENTION: so_what.way_in, words.PREDICTION: so_what.way_out}


def _more_experts(details: Details) -> None:
    """The button, the table and figures of what has been measured, and the claims beside it."""
    with st.container(key=f"step_{len(_STEPS) + 1}"):
        # No origin here: every table and every claim below has its own.
        panel.head(more_texts.NAME, None)
        st.markdown(more_texts.SENTENCE)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(texts.MEASURE, key="measure", type="primary", on_click=measuring.wish)
            stop, line, wait = st.empty(), st.empty(), st.empty()
        # Before the measuring: what stands there stays until there is something new.
        found, said = st.container(key="more_measured"), st.container(key="more_claims")
        if measuring.take_wish():
            stop.button(texts.STOP, key="stop_measuring")
            with found:  # for a refusal
                measuring.measure(details, line, answers.asking(wait, words=None))
            stop.empty()
            line.empty()
        rows = measuring.measured(details)
        with found:
            more_experts.draw(details.place, rows)
        with said, guard():
            everyone = routing.probabilities(details.trace.router_logits)
            certainty = _certainty(details, measured=bool(rows))
            claims.draw(claims.answers(details.place, everyone, details.origin[0], rows, certainty))


def _certainty(details: Details, *, measured: bool) -> claims.Certainty | str:
    """What both runs predict, or why that is not known; more of it once the visitor measured."""
    if not details.full:
        return claim_texts.RUN
    if details.place.k == details.place.against:
        return claim_texts.same_ks(details.place.k)
    other = details.other
    if other is None:
        return claim_texts.RUN_IS_MISSING
    one, two = details.predictions(details.trace), details.predictions(other)
    if not measured:
        return claims.Certainty((one, two), None)
    last = range(len(details.trace.tokens))[-_LAST:]
    before, after = details.entropies(details.trace, last), details.entropies(other, last)
    return claims.Certainty((one, two), (before, after))
