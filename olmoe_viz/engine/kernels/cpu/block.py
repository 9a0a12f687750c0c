"""The parts of one block for any rows: what attention asks for, the router, and the experts."""

import numpy as np
from numba import njit

from olmoe_viz.engine.kernels.cpu.attention import rotate
from olmoe_viz.engine.kernels.cpu.experts import mix
from olmoe_viz.engine.kernels.cpu.interventions import intervene
from olmoe_viz.engine.kernels.cpu.linear import clamp, clear, copy, linear, rms_norm
from olmoe_viz.engine.kernels.cpu.router import route
from olmoe_viz.engine.kernels.cpu.weights import view


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def heads_of(sizes, weights, part, positions, normed):
    """Return queries, keys and values of rows, [rows, width] each, the first two turned."""
    rows, width = normed.shape
    queries = np.empty_like(normed)
    keys = np.empty((rows, sizes.kv_width), np.float32)
    values = np.empty_like(keys)
    linear(view(part.query, (width, width)), normed, queries)
    linear(view(part.key, (sizes.kv_width, width)), normed, keys)
    linear(view(part.value, (sizes.kv_width, width)), normed, values)
    rms_norm(queries, view(part.norm_q, (width,)), sizes.epsilon, queries)
    rms_norm(keys, view(part.norm_k, (sizes.kv_width,)), sizes.epsilon, keys)
    for each in (queries, keys, values):
        clamp(each, sizes.limit)
    for each in (queries, keys):
        rotate(each, positions, weights.cosines, weights.sines)
    return queries, keys, values


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def choose(sizes, part, layer, routed, normed, first, record):
    """Record the router's logits of rows from `first` on, and choose and weigh their experts.

    `normed` are these rows alone; `routed` has the policy of every row, as a `Batch` does.
    """
    logits = np.empty((len(normed), sizes.experts), np.float32)
    linear(view(part.router, (sizes.experts, sizes.hidden)), normed, logits)
    for place in range(len(normed)):
        row, own = first + place, logits[place]
        copy(own, record.router_logits[row, layer])
        ids, shares = record.expert_ids[row, layer], record.weights[row, layer]
        k, threshold = routed.ks[row, layer], routed.thresholds[row]
        weighting = routed.weightings[row]
        scale = route(own, k, sizes.trained_k, threshold, weighting, ids, shares)
        edits, at = routed.edits, routed.edits.places[row, layer]
        if at >= 0:
            acting = edits.bias[at], edits.marks[at], edits.targets[at]
            intervene(own, k, threshold, scale, edits.masses[row], *acting, ids, shares)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def experts(sizes, part, layer, normed, record, first, last, out):
    """Write what the experts from `first` on and before `last` add to rows that were recorded."""
    gate_up = view(part.gate_up, (sizes.experts, 2 * sizes.inner, sizes.hidden))
    down = view(part.down, (sizes.experts, sizes.hidden, sizes.inner))
    rows = len(normed)
    ids, shares = record.expert_ids[:rows, layer], record.weights[:rows, layer]
    clear(out)
    mix(gate_up, down, normed, ids, shares, first, last, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def last_of(sizes, weights, hidden, scored, last):
    """Write what the head reads of some rows, [scored, hidden]."""
    for place in range(len(last)):
        copy(hidden[scored[place]], last[place])
    rms_norm(last, weights.norm, sizes.epsilon, last)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def score(sizes, weights, hidden, scored, scores):
    """Write the logits [scored, vocab] after some rows."""
    last = np.empty((len(scored), sizes.hidden), np.float32)
    last_of(sizes, weights, hidden, scored, last)
    linear(weights.head, last, scores)
