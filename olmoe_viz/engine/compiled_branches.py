"""The pass of branches by one compiled call, on two threads where a second core is free.

No branch sees another, so the threads take half of them each, and the numbers are the same.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine import differences
from olmoe_viz.engine.branch_pass import BranchPass, Text
from olmoe_viz.engine.branch_rows import Branch, BranchRows
from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.cpu_decoder import CpuKernels, Piece, by_piece, plan_of
from olmoe_viz.engine.differences import Difference
from olmoe_viz.engine.forks import Fork, Put, Variant
from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.branches import ATTENTION, HIDDEN, Leaves, Puts
from olmoe_viz.engine.kernels.cpu.compare import compare
from olmoe_viz.engine.kernels.cpu.step import Record
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.engine.prompt import OnProgress, part_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Arrays
from olmoe_viz.families.edits import Cell, tables_of
from olmoe_viz.interventions import Intervention, most_experts
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.costs import active_parameters
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.record import ExpertIds, Float32s

_TOLERANCE = 1e-3  # of the plain pass's norm
_LARGEST = 80.0  # of what the logits differ by, beyond which powers leave float32
_PARTS = {"hidden": HIDDEN, "attention": ATTENTION}


class CompiledBranchPass:
    """As `BranchPass`, for a model with compiled kernels."""

    def __init__(self, kernels: CpuKernels, text: Text, branches: Sequence[Branch]) -> None:
        self._kernels, self._text, self._rows = kernels, text, BranchRows(branches)
        self._cells = list(self._rows.cells(text.plan))
        self._record: Record

    def scores(self, reads: int) -> Tensor:
        """Return float32 logits after the last `reads` tokens of each, [branches, reads, vocab]."""
        rows, geometry = self._rows, self._text.plan.geometry
        tokens, scored = len(rows.positions), reads * len(rows.branches)
        self._record = Record.empty(tokens, scored, geometry, self._most())
        middle = self._middle(reads)
        if middle and self._kernels.free():
            halves = (self._part(some, reads) for some in (slice(middle), slice(middle, None)))
            self._kernels.beside(*halves)
        else:
            self._part(slice(None), reads)()
        return torch.from_numpy(self._record.scores).view(-1, reads, geometry.vocab)

    def ran(self, branches: slice) -> tuple[ExpertIds, Float32s]:
        """Return ids and weights of what ran for the first tokens of branches of one layer."""
        layer, rows = int(self._rows.layers[branches][0]), self._rows.begins[branches]
        if layer == self._text.plan.geometry.layers:
            return np.empty((len(rows), 0), np.int16), np.empty((len(rows), 0), np.float32)
        return self._record.expert_ids[rows, layer], self._record.weights[rows, layer]

    def _part(self, branches: slice, reads: int) -> "partial[None]":
        """Return the call that runs some of the branches."""
        rows = BranchRows(self._rows.branches[branches])
        tokens = slice(self._rows.begins[branches][0], self._rows.ends[branches][-1])
        first = branches.start or 0
        scored = slice(first * reads, (first + len(rows.branches)) * reads)
        leaves = _leaves(rows, self._cells[tokens], self._text, reads)
        record = self._record.part(tokens, scored)
        states = self._text.states.contiguous().numpy()
        puts = _puts(rows, self._text.plan.geometry.hidden)
        return partial(self._kernels.branch, self._text.cache, states, leaves, puts, record)

    def _most(self) -> int:
        """Return the most experts of any token; ValueError where none is left to choose."""
        plan = self._text.plan
        ids, experts = plan.geometry.layer_ids, plan.geometry.experts
        ks = plan.policies[0].ks(len(ids), experts)
        cases = product({acting for acting, _ in self._cells}, zip(ids, ks, strict=True))
        changed = (
            most_experts(acting, layer, k, experts)
            for acting, (layer, k) in cases
            if any(each.acts_in(layer) for each in acting)
        )
        return max(*ks, *changed)

    def _middle(self, reads: int) -> int:
        """Return how many branches make about half of the work; 0 where there is one alone."""
        rows, geometry = self._rows, self._text.plan.geometry
        if len(rows.branches) < 2:
            return 0
        layer, head = _work(geometry, self._text.plan.policies[0])
        work = rows.lengths * (geometry.layers - rows.layers) * layer + reads * head
        done = work.cumsum()
        return int(np.abs(done[:-1] - done[-1] / 2).argmin()) + 1


def _work(geometry: Geometry, policy: RoutingPolicy) -> tuple[float, float]:
    """Return the parameters that a token goes through in a layer, in the mean, and in the head."""
    head = geometry.vocab * geometry.hidden
    ks = policy.ks(len(geometry.moe_layers), geometry.experts)
    return (active_parameters(geometry, ks) - 2 * head) / geometry.layers, head


def _leaves(rows: BranchRows, cells: Sequence[Cell], text: Text, reads: int) -> Leaves:
    geometry = text.plan.geometry
    ks, threshold, weighting = plan_of(text.plan.policies[0], geometry)
    tokens = len(rows.positions)
    layers, seen, begins = (
        np.repeat(each, rows.lengths) for each in (rows.layers, rows.firsts, rows.begins)
    )
    return Leaves(
        layers=layers,
        positions=rows.positions,
        seen=seen,
        begins=begins,
        ks=np.tile(ks, (tokens, 1)),
        thresholds=np.full(tokens, threshold),
        weightings=np.full(tokens, weighting),
        scored=rows.read_at(reads),
        edits=tables_of(cells, geometry.layer_ids, geometry.experts),
    )


def _puts(rows: BranchRows, hidden: int) -> Puts:
    """Return what is put in, what replaces before what is added."""
    found = sorted(rows.puts(), key=lambda each: not each[2].replaces)
    numbers = [(_PARTS[put.part], layer, token, int(put.replaces)) for layer, token, put in found]
    parts, layers, tokens, replaces = np.array(numbers, np.int64).reshape(-1, 4).T.copy()
    values = torch.stack([put.values for *_, put in found]) if found else torch.empty(0, hidden)
    return Puts(parts, layers, tokens, replaces, values.numpy())


def read(
    kernels: CpuKernels,
    model: Model,
    cache: KvCache,
    ids: Sequence[int],
    policy: RoutingPolicy,
    on_progress: OnProgress,
) -> Iterator[Arrays]:
    """Run a text from the start of a cache; yield what was recorded of each part.

    As `prompt.read` does with hidden states and attention outputs, of one row.
    """
    size = part_of(model, 1)
    for start in range(0, len(ids), size):
        on_progress(start, len(ids))
        part = Piece(policy, ids[start : start + size], cache.bases[0], start, "prompt")
        record = kernels.run(cache, [part], watched=True)
        (routed,) = by_piece(record, [part])
        watched = {"hidden_states": record.states, "attention_outputs": record.attended}
        yield {name: values[None] for name, values in (routed | watched).items()}


def difference(plain: Tensor, found: Tensor) -> Difference:
    """Compare logits, as `differences.difference` does; which has those that are far."""
    ours, theirs = plain.numpy(), np.ascontiguousarray(found.numpy())
    if len(ours) % LANES:
        return differences.difference(plain, found)
    sums, tops = np.empty((len(theirs), 3), np.float32), np.empty(len(theirs), np.int64)
    compare(ours, plain.softmax(-1).numpy(), theirs, sums, tops)
    moved, bent, most = sums.astype(np.float64).T
    near = (most < _LARGEST) & (moved + bent > differences.FAR)
    shifts = np.log1p(np.where(near, moved + bent, 0))
    kl = np.maximum(shifts - moved, 0)
    if not near.all():
        far = differences.difference(plain, found[torch.from_numpy(~near)])
        kl[~near], shifts[~near] = far.kl, far.shifts
    return Difference(kl, shifts, tops)


@torch.inference_mode()
def check(model: Model, kernels: CpuKernels) -> None:
    """Compile; RuntimeError in words when branches predict other than by the plain pass."""
    runner, policy = runner_of(model), RoutingPolicy(model.geometry.trained_k)
    assert isinstance(runner, OlmoeRunner)  # noqa: S101 - `compiling.fits` has looked
    ids, layers = [1, 2, 3, 1, 2], model.geometry.layers
    cache, plan = runner.open(1, len(ids)), runner.plan([policy])
    (arrays,) = read(kernels, model, cache, ids, policy, lambda _, __: None)
    text = Text(cache, torch.from_numpy(arrays["hidden_states"][0]), plan)
    some = tuple(range(0, model.geometry.experts, 3))
    gone = Variant((Intervention("off", (0,), some), Intervention("route_around", None, some[1:])))
    vector = text.states[1, 3]
    puts = Put("hidden", 3, vector, replaces=True), Put("attention", 4, vector, replaces=False)
    branches = [
        (Fork(layer, first, len(ids), (each,)), each)
        for layer, first, each in ((0, 0, gone), (0, 2, Variant(puts=puts)), (layers, 4, gone))
    ]
    plain, ours = (
        each.scores(1).numpy()
        for each in (
            BranchPass(runner, text, branches),
            CompiledBranchPass(kernels, text, branches),
        )
    )
    if not np.linalg.norm(ours - plain) <= _TOLERANCE * np.linalg.norm(plain):
        raise RuntimeError("compiled branches predict other than by the plain pass")
    one, *others = torch.from_numpy(plain[:, 0])
    found = torch.stack(others)
    if not np.allclose(difference(one, found).kl, differences.difference(one, found).kl, rtol=1e-2):
        raise RuntimeError("compiled differences are others than torch's")
