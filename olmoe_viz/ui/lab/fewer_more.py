"""Fewer, more, elsewhere: a k a layer, a least probability, the experts of a kind of text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from olmoe_viz.analysis.held_out import HeldOut, held_out, sample
from olmoe_viz.analysis.quality import bits_per_byte, prompt_quality
from olmoe_viz.figures import more_bits
from olmoe_viz.figures.labels import digits, number
from olmoe_viz.interventions import LOST_MASS
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.expert_uses import ExpertUses, recorded_uses
from olmoe_viz.records.scores import Scores
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import ScoreRequest
from olmoe_viz.ui.lab.fewer_settings import FLOORS, FewerSettings, stops
from olmoe_viz.ui.lab.layer_ks import layer_ks
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import answers, on_press, state, url
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import lab as lab_texts
from olmoe_viz.ui.texts import lab_fewer as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot

_BUTTON = "lab_fewer"


@dataclass(frozen=True, eq=False)
class _Measured:
    """The prompt under both policies, and the held-out text where there is some."""

    prompt: Scores
    text: HeldOut | None


def draw(trace: Trace) -> None:
    """Draw the controls, and what their setting costs once somebody has asked for it."""
    geometry, uses = trace.geometry, recorded_uses(trace.provenance.digest)
    settings = url.current(FewerSettings).within(geometry, uses)
    url.keep(settings)
    url.mirror(settings)
    badge = panel.head(texts.TITLE, None)
    st.caption(texts.says_of_ks(geometry.trained_k))
    _ks(trace, settings)
    _which(settings, uses, geometry.experts)
    rule = url.current(LabSettings).lost_mass
    policy = settings.policy(trace.policy, geometry, uses, rule)
    trained = RoutingPolicy(geometry.trained_k)
    if policy == trained:
        st.caption(texts.AS_TRAINED)
        return
    st.text(texts.asked(policy, (settings.domain, settings.kept) if settings.domain else None))
    held = sample(trace.provenance.digest)
    tokens = max(map(len, held.values()), default=0)
    wish = (trace.request, policy)
    if not on_press.wished(
        wish, label=texts.MEASURE, says=texts.says(len(held), tokens), key=_BUTTON
    ):
        return
    found = _measure(trace, (trained, policy), held)
    if found is not None:
        with badge:
            origin.badge("live", origin.details(found.prompt.provenance, str(policy)))
        _show(found, settings.domain)


def _ks(trace: Trace, settings: FewerSettings) -> None:
    geometry = trace.geometry
    ks = settings.ks or trace.policy.ks(len(geometry.layer_ids), geometry.experts)
    layer_ks(
        ks,
        stops=stops(geometry.experts, ks),
        trained_k=geometry.trained_k,
        layer_ids=geometry.layer_ids,
        on_pick=lambda picked: url.keep(replace(url.current(FewerSettings), ks=picked)),
        key="layer_ks",
    )
    if settings.ks:
        st.button(texts.BACK, key="fewer_back", type="tertiary", on_click=_back)


def _back() -> None:
    url.keep(replace(url.current(FewerSettings), ks=()))


def _which(settings: FewerSettings, uses: ExpertUses | None, experts: int) -> None:
    """Controls of the least probability, and of the experts that can be chosen."""
    st.session_state["fewer_floor"] = settings.floor
    st.session_state["fewer_domain"] = settings.domain
    st.session_state["fewer_kept"] = settings.kept
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.select_slider(
            texts.FLOOR,
            sorted({*FLOORS, settings.floor}),
            format_func=texts.floor,
            help=texts.FLOOR_HELP,
            key="fewer_floor",
            width=280,
            on_change=url.take,
            args=(FewerSettings, "floor", "fewer_floor"),
        )
        if uses is None:
            return
        st.selectbox(
            texts.DOMAIN,
            ["", *uses.domains],
            format_func=texts.domain,
            help=f"{texts.DOMAIN_HELP} {tables.where()}",
            key="fewer_domain",
            width=240,
            on_change=url.take,
            args=(FewerSettings, "domain", "fewer_domain"),
        )
        if settings.domain:
            _kept(settings, experts)


def _kept(settings: FewerSettings, experts: int) -> None:
    """How many experts of the domain stay, and what becomes of the mass of the others."""
    st.select_slider(
        texts.KEPT,
        stops(experts, (settings.kept,)),
        key="fewer_kept",
        width=280,
        on_change=url.take,
        args=(FewerSettings, "kept", "fewer_kept"),
    )
    st.session_state["fewer_mass"] = url.current(LabSettings).lost_mass
    st.segmented_control(
        texts.MASS,
        LOST_MASS,
        required=True,
        help=lab_texts.MASS_HELP,
        key="fewer_mass",
        on_change=url.take,
        args=(LabSettings, "lost_mass", "fewer_mass"),
    )
    origin.badge("recorded", f"{texts.COUNTED} {tables.where()}")


def _measure(
    trace: Trace, policies: tuple[RoutingPolicy, RoutingPolicy], held: dict[str, tuple[int, ...]]
) -> _Measured | None:
    """Read all texts both ways, with progress and a stop; None after a sentence that says why."""
    model, slot = trace.request.model, st.empty()
    requests = [ScoreRequest(model, ids, (policy,)) for policy in policies for ids in held.values()]
    with slot.container(horizontal=True, vertical_alignment="center", key="fewer_wait"):
        st.button(texts.STOP, key="fewer_stop", on_click=on_press.drop, args=(_BUTTON,))
        line, waits = st.empty(), st.empty()
    ask, scores = answers.asking(waits, None), []
    try:
        prompt = ask(ScoreRequest(model, trace.request.text, policies, policies[0]))
        for done, request in enumerate(requests):
            line.progress(done / len(requests), text=texts.reading(done, len(requests)))
            scores.append(ask(request))
    except TROUBLE as error:
        slot.empty()
        on_press.drop(_BUTTON)
        refuse(error)
        return None
    slot.empty()
    if not held:
        return _Measured(prompt, None)
    return _Measured(prompt, held_out(list(held), scores[: len(held)], scores[len(held) :]))


def _show(found: _Measured, domain: str) -> None:
    plain, changed = (bits_per_byte(found.prompt, row) for row in (0, 1))
    quality = prompt_quality(found.prompt)[1]
    if found.text is not None:
        st.text(texts.of_held_out(found.text, domain))
    st.text(texts.of_prompt(plain, changed, quality.mean_kl))
    rows = [] if found.text is None else [_held_out_row(found.text)]
    if plain is not None and changed is not None:
        more = number(changed - plain, "+.3f")
        rows.append([texts.PROMPT_BITS, f"{plain:.3f}", f"{changed:.3f}", more])
    rows += [
        [texts.PROMPT_KL, "0", digits(quality.mean_kl), ""],
        [texts.PROMPT_SAME, "100%", f"{100 * quality.agreement:.0f}%", ""],
    ]
    _table(rows)
    if found.text is None:
        return
    st.caption(texts.figure_says(found.text, domain))
    figure = more_bits.figure(
        found.text.more,
        plain=found.text.plain[:, 0],
        kinds=found.text.kinds,
        chosen=domain,
        theme=state.theme(),
    )
    plot(figure, key="lab_more_bits")


def _held_out_row(found: HeldOut) -> list[str]:
    values = [texts.value(each[-1]) for each in (found.plain, found.changed)]
    return [texts.HELD_OUT_BITS, *values, texts.value(found.more[-1], "+.3f")]


def _table(rows: Sequence[Sequence[str]]) -> None:
    names = texts.MEASURE_COLUMN, texts.TRAINED, texts.CHANGED, texts.MORE
    st.table(
        dict(zip(names, zip(*rows, strict=True), strict=True)),
        border="horizontal",
        hide_index=True,
        width="content",
        alt=texts.NUMBERS,
    )
