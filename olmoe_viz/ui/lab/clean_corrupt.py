"""Clean and corrupt: parts of one run put into another, and what of the difference they restore."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import recovery_map
from olmoe_viz.figures.labels import expert_name
from olmoe_viz.records.patches import Patches
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Patch, PatchRequest, TraceRequest
from olmoe_viz.ui.lab.clean_settings import LONGEST, PARTS, CleanSettings
from olmoe_viz.ui.session import answers, on_press, state, url
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import lab_clean as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.message import hint

MOST_TOKENS = 24
_MOST_EXPERTS = 16  # rows of the map of one layer's
_WHOLE, _EACH = "lab_patch", "lab_patch_experts"  # buttons

Runs = tuple[Trace, Trace]  # clean and corrupt, equally long


def draw(trace: Trace, layer: int) -> None:
    """Draw both prompts, and what their parts restore once somebody has asked for it.

    The model and the policy are those of `trace`; `layer` is the one that is opened.
    """
    settings = url.current(CleanSettings)
    url.mirror(settings)
    badge = panel.head(texts.TITLE, None)
    st.caption(texts.INTRODUCTION)
    _controls(settings)
    if not (settings.clean.strip() and settings.corrupt.strip()):
        hint(texts.EMPTY)
        return
    if settings.clean == settings.corrupt:
        hint(texts.SAME)
        return
    pair = [
        TraceRequest(trace.request.model, text, trace.policy)
        for text in (settings.clean, settings.corrupt)
    ]
    layers = trace.geometry.layer_ids if settings.part == "experts" else _blocks(trace)
    says = texts.measure_says(len(layers))
    if not on_press.wished((*pair, settings.part), label=texts.MEASURE, says=says, key=_WHOLE):
        return
    runs = _read(pair)
    if runs is None:
        return
    places = [(at,) for at in range(len(runs[0].tokens))]
    patches = [
        Patch(at, tokens, settings.part) for at in layers for tokens in (*places, sum(places, ()))
    ]
    found = _measure(runs, patches, _WHOLE)
    if found is None:
        return
    with badge:
        origin.badge("live", origin.details(found.provenance, str(trace.policy)))
    st.text(texts.of_runs(found))
    restored = found.recovery().reshape(len(layers), -1)
    _map(restored, runs, found, list(map(str, layers)), texts.LAYER)
    if settings.part == "experts":
        _experts(runs, layer)


def _blocks(trace: Trace) -> Sequence[int]:
    return range(trace.geometry.layers)


def _controls(settings: CleanSettings) -> None:
    st.session_state["lab_clean"] = settings.clean
    st.session_state["lab_corrupt"] = settings.corrupt
    st.session_state["lab_part"] = settings.part
    for place, name, field in zip(
        st.columns(2, gap="large"), (texts.CLEAN, texts.CORRUPT), ("clean", "corrupt"), strict=True
    ):
        with place:
            st.text_input(
                name,
                key=f"lab_{field}",
                max_chars=LONGEST,
                on_change=url.take,
                args=(CleanSettings, field, f"lab_{field}"),
            )
    st.segmented_control(
        texts.PART,
        PARTS,
        required=True,
        wrap=True,
        format_func=texts.PART_NAMES.__getitem__,
        help=texts.PART_HELP,
        key="lab_part",
        on_change=url.take,
        args=(CleanSettings, "part", "lab_part"),
    )


def _read(pair: Sequence[TraceRequest]) -> Runs | None:
    """Read both prompts; None after a sentence where their tokens cannot be exchanged."""
    ask = answers.asking(st.empty(), texts.READING)
    try:
        clean, corrupt = (ask(request) for request in pair)
    except TROUBLE as error:
        on_press.drop(_WHOLE)
        refuse(error)
        return None
    if len(clean.tokens) != len(corrupt.tokens):
        hint(texts.lengths(clean.tokens, corrupt.tokens))
    elif len(clean.tokens) > MOST_TOKENS:
        hint(texts.too_long(len(clean.tokens), MOST_TOKENS))
    else:
        return clean, corrupt
    return None


def _measure(runs: Runs, patches: Sequence[Patch], button: str) -> Patches | None:
    """The answer for these patches, with progress and a stop; None after a sentence."""
    clean, corrupt = (run.request for run in runs)
    request = PatchRequest(clean, corrupt, tuple(patches))
    found = answers.answer(request, on_stop=partial(on_press.drop, button))
    if not isinstance(found, Patches):
        on_press.drop(button)
        return None
    return found


def _map(
    restored: NDArray[np.float64], runs: Runs, found: Patches, rows: list[str], title: str
) -> None:
    tokens = list(zip(runs[0].tokens, runs[1].tokens, strict=True))
    st.text(texts.of_map(restored, found, [f"{title} {row}" for row in rows], tokens))
    plot(
        recovery_map.figure(
            restored, rows=rows, row_title=title, tokens=tokens, theme=state.theme()
        ),
        key=f"lab_restored_{title}",
    )


def _experts(runs: Runs, layer: int) -> None:
    """The experts of one layer, each alone, at the tokens for which it runs in either run."""
    panel.head(texts.ONE_BY_ONE, None)
    ran = _ran(runs, layer)
    experts = sorted({expert for tokens in ran for expert in tokens})
    if not on_press.wished(
        (*(run.request for run in runs), layer),
        label=texts.each_expert(layer),
        says=texts.each_expert_says(len(experts), layer),
        key=_EACH,
    ):
        return
    cells = [
        (row, column, Patch(layer, tokens, expert=expert))
        for row, expert in enumerate(experts)
        for column, tokens in _places(ran, expert)
    ]
    found = _measure(runs, [patch for _, _, patch in cells], _EACH)
    if found is None:
        return
    restored = np.full((len(experts), len(ran) + 1), np.nan)
    for (row, column, _), share in zip(cells, found.recovery(), strict=True):
        restored[row, column] = share
    order = np.argsort(-np.nanmax(np.abs(restored), axis=-1), kind="stable")[:_MOST_EXPERTS]
    names = [expert_name(experts[row], layer) for row in order]
    _map(restored[order], runs, found, names, texts.EXPERT)
    if len(experts) > len(order):
        st.caption(texts.strongest(len(order), len(experts)))


def _ran(runs: Runs, layer: int) -> list[set[int]]:
    """The experts that run for each token in a layer, of either run."""
    number = runs[0].geometry.layer_ids.index(layer)
    both = np.concatenate([run.expert_ids[number] for run in runs], axis=-1)
    return [{int(expert) for expert in row if expert >= 0} for row in both]


def _places(ran: Sequence[set[int]], expert: int) -> list[tuple[int, tuple[int, ...]]]:
    """The columns of an expert: the tokens for which it runs, and all of them at once."""
    tokens = tuple(at for at, experts in enumerate(ran) if expert in experts)
    return [*((at, (at,)) for at in tokens), (len(ran), tokens)]
