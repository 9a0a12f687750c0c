"""Two runs set against each other: the current one, or opened ones."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from olmoe_viz.analysis.run import Run, run_of
from olmoe_viz.analysis.two_runs import Difference, LayerDifferences, difference
from olmoe_viz.figures import expert_load, layer_lines
from olmoe_viz.figures.labels import visible
from olmoe_viz.numerics import routing
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.runs import keeping
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.message import note
from olmoe_viz.ui.widgets.wording import plain

_NEXT = 10
Parts = Mapping[str, Trace | Generation]


def parts(name: str, run: Trace | Generation | Comparison) -> dict[str, Trace | Generation]:
    """What of a run can be set against another, by a name for people: its texts, one each."""
    rows = run.generations if isinstance(run, Comparison) else (run,)
    return {f"{name}, {row.policy}": row for row in rows}


def draw(current: Parts, opened: Parts) -> None:
    """Choose two of the known runs and draw what differs."""
    known = {**current, **opened}
    panel.head(texts.TWO_TITLE, None)
    if len(known) < 2:
        st.caption(texts.NEEDS_TWO)
        return
    names = list(known)
    with st.container(horizontal=True, key="two_runs"):
        chosen = [
            st.selectbox(label, names, index=at, key=f"two_{at}", width=340)
            for at, label in enumerate((texts.FIRST, texts.SECOND))
        ]
    records = [known[name] for name in chosen]
    runs = [run_of(record) for record in records]
    with st.container(horizontal=True, gap="small", key="two_origins"):
        for name, record in zip(chosen, records, strict=True):
            source = answers.source(record) if name in current else "recorded"
            origin.badge(source, origin.details(record.provenance, str(record.policy)))
    found = difference(*runs)
    st.text(_tokens(found, *runs))
    if found.layers is None:
        note(found.reason)
    else:
        _layers(found.layers, found.common, runs[0].geometry.layer_ids)
    _loads(runs)
    _next(records)
    keeping.report(*records, key="two_report", label=texts.REPORT_OF_BOTH)


def _tokens(found: Difference, first: Run, second: Run) -> str:
    if found.first_token is None:
        words = texts.same_tokens(len(first.tokens))
        return f"{words} {texts.SAME}" if found.same else words
    place = found.first_token
    spelled = [
        visible(run.tokens[place]) if place < len(run.tokens) else texts.END
        for run in (first, second)
    ]
    return texts.part_at(place, *spelled)


def _layers(found: LayerDifferences, common: int, layer_ids: tuple[int, ...]) -> None:
    st.caption(texts.layers_words(common))
    _lines("two_shared", [found.shared], [texts.SHARE], texts.SHARED, layer_ids)
    st.caption(texts.MASS_WORDS)
    names = [texts.FIRST, texts.SECOND]
    _lines("two_mass", list(found.masses), names, texts.MASS, layer_ids)
    st.caption(texts.LOAD_WORDS)
    _lines("two_load", [found.load_distance], [texts.DISTANCE], texts.LOAD_DISTANCE, layer_ids)


def _lines(
    key: str,
    values: list[np.ndarray[tuple[int], np.dtype[np.float64]]],
    names: list[str],
    quantity: str,
    layer_ids: tuple[int, ...],
) -> None:
    plot(
        layer_lines.figure(
            np.vstack(values),
            names=names,
            quantity=quantity,
            layer_ids=layer_ids,
            theme=state.theme(),
        ),
        key=key,
    )


def _loads(runs: list[Run]) -> None:
    for at, (run, place) in enumerate(zip(runs, st.columns(2), strict=True)):
        with place:
            st.caption((texts.FIRST, texts.SECOND)[at])
            plot(
                expert_load.figure(
                    routing.load(run.expert_ids, run.geometry.experts),
                    tokens=len(run.tokens),
                    layer_ids=run.geometry.layer_ids,
                    theme=state.theme(),
                ),
                key=f"two_loads_{at}",
            )


def _next(records: list[Trace | Generation]) -> None:
    st.markdown(f"**{texts.NEXT_TITLE.capitalize()}**")
    for at, (record, place) in enumerate(zip(records, st.columns(2), strict=True)):
        with place:
            st.caption((texts.FIRST, texts.SECOND)[at])
            if not isinstance(record, Trace):
                st.caption(texts.NO_NEXT)
                continue
            shares = record.next_probabilities()[:_NEXT].tolist()
            rows = {
                texts.TOKEN: [plain(visible(each)) for each in record.next_tokens[:_NEXT]],
                texts.PROBABILITY: [f"{share:.3f}" for share in shares],
            }
            st.table(rows, border="horizontal", hide_index=True, alt=texts.NEXT_TITLE)
