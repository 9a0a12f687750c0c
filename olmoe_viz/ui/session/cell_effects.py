"""The effects of experts that this session has measured, cell by cell, for the colors of maps."""

from dataclasses import replace

import numpy as np
import streamlit as st

from olmoe_viz.figures.interactive_map.effects import CellEffects
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import EffectsRequest, TraceRequest

_KEPT = "measured_effects"  # run -> cell -> each expert's KL
_RUNS = 4

Cells = dict[tuple[int, int], dict[int, float]]


def whole_token(trace: Trace, token: int) -> EffectsRequest:
    """What asks for the effects of all experts that ran for a token."""
    run = replace(trace.request, detail="full")
    return EffectsRequest(run, tuple((layer, token) for layer in trace.geometry.layer_ids))


def note(effects: Effects) -> bool:
    """Keep what was measured, of the runs looked at last; return whether any cell is new."""
    kept: dict[TraceRequest, Cells] = st.session_state.setdefault(_KEPT, {})
    run = _key(effects.request.run)
    cells = kept.pop(run, {})
    known = len(cells)
    for cell, ids, kl in zip(effects.request.cells, effects.expert_ids, effects.kl, strict=True):
        cells[cell] = {
            expert: max(value, 0.0)
            for expert, value in zip(ids.tolist(), kl.tolist(), strict=True)
            if expert >= 0
        }
    kept[run] = cells
    while len(kept) > _RUNS:
        del kept[next(iter(kept))]
    return len(cells) > known


def of_experts(trace: Trace, layer: int, token: int) -> dict[int, float]:
    """KL in nats of each expert that was measured in a cell; none where nothing was."""
    return _cells(trace).get((layer, token), {})


def of_cells(trace: Trace) -> CellEffects:
    """What was measured of a run, one expert a cell."""
    shape = trace.expert_ids.shape[:2]
    kl, experts = np.full(shape, np.nan), np.full(shape, -1, np.int64)
    rows = {layer: row for row, layer in enumerate(trace.geometry.layer_ids)}
    for (layer, token), found in _cells(trace).items():
        most = max(found, key=found.__getitem__)
        kl[rows[layer], token], experts[rows[layer], token] = found[most], most
    return CellEffects(kl, experts)


def _cells(trace: Trace) -> Cells:
    kept: dict[TraceRequest, Cells] = st.session_state.get(_KEPT, {})
    return kept.get(_key(trace.request), {})


def _key(run: TraceRequest) -> TraceRequest:
    """The run, however much of it was recorded."""
    return replace(run, detail="routing")
