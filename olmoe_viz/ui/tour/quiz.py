"""A question of the tour: guess, and only then see what was measured."""

from dataclasses import replace

import streamlit as st

from olmoe_viz.analysis.held_out import held_out, sample
from olmoe_viz.analysis.measured_effects import measured
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.expert_uses import ExpertUses
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import EffectsRequest, ModelRequest, ScoreRequest
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import answers, cell_effects, engine, state
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import own_stops
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.texts.tour import Question
from olmoe_viz.ui.tour.answers import (
    MATHEMATICS,
    STORIES,
    TABLES,
    Answer,
    by_share,
    mass,
    mathematics,
    mattered,
)
from olmoe_viz.ui.tour.stops import OwnQuestion
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.wording import plain

_CHOSEN = ("mattered", "mathematics")  # questions about the chosen cell or layer


def ask(asked: str | OwnQuestion, *, key: str) -> None:
    """Draw the question and, once there is a guess, the answer with its origin.

    `asked` is the name of one of ours, or one of a teacher's own.
    """
    with st.container(key="tour_question", gap="xsmall"):
        question = _question(asked)
        if question is None:
            return
        guess = st.segmented_control(
            plain(question.text),
            question.options,
            # Where the options are of a cell or a layer, a guess is about these.
            key=f"{key} {' '.join(question.options)}" if asked in _CHOSEN else key,
            wrap=True,
            format_func=plain,
            persist_state="session",
        )
        if guess is not None:
            _reveal(asked, guess)


def _question(asked: str | OwnQuestion) -> Question | OwnQuestion | None:
    """What is asked; None after a sentence where its options are not known yet."""
    if isinstance(asked, OwnQuestion):
        return asked
    if asked == "mathematics":
        layer = _layer()
        return texts.which_is_for(by_share(_uses(), layer), layer)
    if asked != "mattered":
        return texts.QUESTIONS[asked]
    trace = answers.at_hand()
    if trace is None:
        st.caption(texts.NOTHING_RAN)
        return None
    cell = _cell(trace)
    ran = trace.expert_ids[trace.geometry.layer_ids.index(cell[0]), cell[1]]
    return texts.which_mattered([int(each) for each in ran if each >= 0], cell[0])


def _cell(trace: Trace) -> tuple[int, int]:
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    return chosen.layer, chosen.token or 0


def _layer() -> int:
    """The layer that Quality shows: the chosen one, if the bundled model has it."""
    return min(state.selection().layer, len(_uses().preferred) - 1)


def _uses() -> ExpertUses:
    uses = tables.uses()
    assert uses is not None  # noqa: S101 - the record and the table come together
    return uses


def _reveal(asked: str | OwnQuestion, guess: str) -> None:
    if isinstance(asked, OwnQuestion):
        answer = Answer((asked.right,), plain(asked.because))
        _show(guess, answer, "quoted", own_stops.OWN_ANSWER)
    else:
        _measured(asked, guess)


def _measured(name: str, guess: str) -> None:
    if name == "mass":
        chosen = state.selection()
        trace = answers.run(chosen, chosen.policy)
        if trace is None:
            return
        answer = mass(trace.router_logits, trace.expert_ids)
        _show(guess, answer, *answers.where(trace))
        return
    if name == "mattered":
        _mattered(guess)
        return
    if name == "mathematics":
        layer = _layer()
        _show(guess, mathematics(_uses(), layer), "recorded", tables.where())
        _switched_off(by_share(_uses(), layer)[0], layer)
        return
    table, read = TABLES[name]
    try:
        answer = read(tables.table(table))
    except FileNotFoundError:
        st.caption(texts.missing(table))
        return
    _show(guess, answer, "recorded", tables.where())


def _mattered(guess: str) -> None:
    """Take away the experts of the chosen cell in turn, as Lab does."""
    trace = answers.at_hand()
    if trace is None:
        return
    effects = answers.answer(EffectsRequest(replace(trace.request, detail="full"), (_cell(trace),)))
    if isinstance(effects, Effects):
        cell_effects.note(effects)
        details = origin.details(effects.provenance, str(trace.policy))
        _show(guess, mattered(measured(effects)), "live", details)
        st.page_link("pages/lab.py", label=texts.IN_LAB)


def _switched_off(expert: int, layer: int) -> None:
    """Read LaTeX and stories with and without the expert, on the bundled model."""
    place = st.empty()
    facts = engine.bundled().kept(ModelRequest(BUNDLED))
    if not answers.can_run(BUNDLED, place) or not isinstance(facts, ModelFacts):
        st.caption(texts.NO_MODEL_TO_TEST)
        return
    trained = RoutingPolicy(facts.geometry.trained_k)
    off = replace(trained, interventions=(Intervention("off", (layer,), (expert,)),))
    held = sample(facts.provenance.digest)
    ask, kinds = answers.asking(place), (MATHEMATICS, STORIES)
    try:
        plain_scores, changed = (
            [ask(ScoreRequest(BUNDLED, held[kind], (policy,))) for kind in kinds]
            for policy in (trained, off)
        )
    except TROUBLE as error:
        refuse(error)
        return
    more = held_out(kinds, plain_scores, changed).more
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(texts.switched_off(*more[:2].tolist()), width="content")
        origin.badge("live", origin.details(changed[0].provenance, str(off)))


def _show(guess: str, answer: Answer, source: origin.Origin, details: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        verdict = plain(texts.verdict(guess, answer.right))
        st.markdown(f"**{verdict}** {answer.sentence}", width="content")
        origin.badge(source, details)
