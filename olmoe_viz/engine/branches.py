"""Branches: one text read once, and gone on from some place in many ways side by side.

A branch leaves the text at a token and a layer, with something changed there. All branches stand in
one row of the cache behind the text: each sees the text up to its own first token and then itself,
so nothing of the text is read or copied twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.experts import experts_of
from olmoe_viz.engine.inputs import check_details, check_place
from olmoe_viz.engine.olmoe_runner import OlmoeRunner, Span
from olmoe_viz.engine.plan import Change, cell_of
from olmoe_viz.engine.prompt import OnProgress, joined, part_of, read
from olmoe_viz.engine.residual import on_device, parts_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps, Wish
from olmoe_viz.engine.threads import threads
from olmoe_viz.errors import InputError
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.record import ExpertIds, Float32s
from olmoe_viz.requests import Part


class Put(NamedTuple):
    """A vector that is added to a part of the branch's layer at a token, or put in its place."""

    part: Part
    token: int
    values: Tensor
    replaces: bool


class Variant(NamedTuple):
    """What is changed where a branch begins: `interventions` act on its first token."""

    interventions: tuple[Intervention, ...] = ()
    puts: tuple[Put, ...] = ()


@dataclass(frozen=True, eq=False)
class Fork:
    """Branches that all leave the text at the same token and layer and end before `stop`.

    The layer is counted over all blocks.
    """

    layer: int
    first: int
    stop: int
    variants: tuple[Variant, ...]


class Ends(NamedTuple):
    """What some branches of fork number `fork` predict in the end: float32 logits.

    `plain` [reads, vocab] is the branch in which nothing was changed, `found` [branches, reads,
    vocab] those of the variants from number `start` on. `expert_ids` and `weights` [branches, k]
    are what ran for them where they left the text.
    """

    fork: int
    start: int
    plain: Tensor
    found: Tensor
    expert_ids: ExpertIds
    weights: Float32s


class _Share(NamedTuple):
    """Some variants of fork number `number`, from number `start` on."""

    number: int
    start: int
    fork: Fork


class Trunk:
    """A text, read under a policy; InputError for a model whose parts cannot be changed.

    Takes 8 * blocks * tokens * hidden bytes for what enters the blocks and what attention adds.
    `router_logits`, `expert_ids` and `weights` are as in a Trace.
    """

    @torch.inference_mode()
    def __init__(
        self, model: Model, ids: Sequence[int], policy: RoutingPolicy, on_progress: OnProgress
    ) -> None:
        check_details(model)
        runner = runner_of(model)
        if not isinstance(runner, OlmoeRunner):
            raise InputError(f"What happens inside {model.name} can be watched, and not changed.")
        self._model, self._runner, self._policy = model, runner, policy
        self.ids = list(ids)
        # Room for the branches of a piece, or for one that goes through the whole text, and for
        # another beside it in which nothing is changed.
        self._room = max(part_of(model, 1), 2 * len(ids))
        self._cache = runner.open(1, len(ids) + self._room)
        self._plan = runner.plan([policy])
        wishes: tuple[Wish, ...] = ("hidden_states", "attention_outputs")
        parts = []
        for hidden, arrays in read(model, self._cache, ids, self._plan, on_progress, *wishes):
            parts.append(arrays)
            self._last = hidden[0, -1]
        found = {name: values[0] for name, values in joined(parts).items()}
        self.router_logits = found["router_logits"]
        self.expert_ids, self.weights = found["expert_ids"], found["weights"]
        self._states = on_device(model, found["hidden_states"], model.device)
        self._attended = on_device(model, found["attention_outputs"], model.device)

    def part(self, part: Part, layer: int, token: int) -> Tensor:
        """Return what a part of a layer gave at a token, [hidden]."""
        if part == "hidden":
            return self._states[layer, token]
        if part == "attention":
            return self._attended[layer, token]
        states, attended = self._states, self._attended
        return states[layer + 1, token] - states[layer, token] - attended[layer, token]

    @torch.inference_mode()
    def end(self) -> Tensor:
        """Return the logits after the last token, [vocab]."""
        return self._runner.readout(self._last)

    @torch.inference_mode()
    def outputs(self, layer: int, token: int, experts: Sequence[int]) -> Tensor:
        """Return the outputs of experts for a token, before they are weighted, [n, hidden]."""
        block = parts_of(self._model).blocks[layer]
        site = self._model.sites[self._model.geometry.layer_ids.index(layer)]
        entering = self._states[layer, token] + self._attended[layer, token]
        vector = block.norm_mid(entering.to(block.device).unsqueeze(0))
        chosen = torch.tensor(experts, device=block.device).unsqueeze(1)
        ones = vector.new_ones(len(experts), 1)
        outputs: Tensor = experts_of(site.experts)(vector.expand(len(experts), -1), chosen, ones)
        return outputs

    def grow(self, forks: Sequence[Fork], reads: int, on_progress: OnProgress) -> Iterator[Ends]:
        """Run every branch; yield what each predicts after its last `reads` tokens, in order.

        `on_progress` is called between two pieces with the branches done and their number, and may
        raise to end the work.
        """
        done, total = 0, sum(len(fork.variants) for fork in forks)
        for piece in self._pieces(forks):
            on_progress(done, total)
            yield from self._ends(piece, reads)
            done += sum(len(share.fork.variants) for share in piece)

    def _pieces(self, forks: Sequence[Fork]) -> Iterator[list["_Share"]]:
        """Divide forks into pieces that fit the room.

        A piece begins at the lowest of its layers. Below its own layer a branch is the text itself,
        which is computed for nothing, but many branches together cost less than each layer's apart.
        """
        piece: list[_Share] = []
        left = 0
        for number, fork in enumerate(forks):
            length, start = fork.stop - fork.first, 0
            while start < len(fork.variants):
                if piece and left < 2 * length:
                    yield piece
                    piece = []
                left = left if piece else self._room
                count = min(left // length - 1, len(fork.variants) - start)
                some = replace(fork, variants=fork.variants[start : start + count])
                piece.append(_Share(number, start, some))
                left -= (count + 1) * length
                start += count
        if piece:
            yield piece

    @torch.inference_mode()
    def _ends(self, piece: Sequence["_Share"], reads: int) -> Iterator[Ends]:
        branches = [
            (share.fork, variant)
            for share in piece
            for variant in (Variant(), *share.fork.variants)
        ]
        lengths = np.array([fork.stop - fork.first for fork, _ in branches])
        firsts = np.array([fork.first for fork, _ in branches])
        lasts = lengths.cumsum()
        begins = lasts - lengths
        of_branch = np.repeat(np.arange(len(branches)), lengths)
        positions = np.arange(lasts[-1]) - begins[of_branch] + firsts[of_branch]
        with threads(self._model, len(positions)):
            taps = Taps(1)
            hidden = self._run(branches, begins, of_branch, positions, taps)
            read_at = (lasts[:, None] - np.arange(reads, 0, -1)).ravel()
            logits = self._runner.readout(hidden[torch.from_numpy(read_at).to(hidden.device)])
        arrays, lowest = taps.arrays(), min(share.fork.layer for share in piece)
        numbers = [self._number(fork.layer) - self._number(lowest) for fork, _ in branches]
        ids, weights = (arrays[name][0, numbers, begins] for name in ("expert_ids", "weights"))
        by_branch = logits.view(len(branches), reads, -1)
        at = 0
        for number, start, fork in piece:
            stop = at + 1 + len(fork.variants)
            own = slice(at + 1, stop)
            yield Ends(number, start, by_branch[at], by_branch[own], ids[own], weights[own])
            at = stop

    def _run(
        self,
        branches: Sequence[tuple[Fork, Variant]],
        begins: np.ndarray,
        of_branch: np.ndarray,
        positions: np.ndarray,
        taps: Taps,
    ) -> Tensor:
        """Return the residual stream after the last block, [tokens of all branches, hidden]."""
        text, device = len(self.ids), self._model.device
        lowest = min(fork.layer for fork, _ in branches)
        order = np.arange(len(positions))
        seen = np.empty((len(order), text + len(order)), dtype=bool)
        seen[:, :text] = np.arange(text) < (positions - order + begins[of_branch])[:, None]
        own = of_branch[:, None] == of_branch
        seen[:, text:] = own & (order <= order[:, None])
        at = torch.from_numpy(positions).to(device)
        span = Span.branching(
            at,
            torch.from_numpy(text + order).to(device),
            torch.from_numpy(seen).to(device),
        )
        cells = []
        for token, position in zip(of_branch.tolist(), positions.tolist(), strict=True):
            acting, mass = cell_of(self._policy, position, "prompt")
            fork, variant = branches[token]
            here = variant.interventions if position == fork.first else ()
            cells.append(((*acting, *here), mass))
        plan = self._plan
        if any(cell for cell, _ in cells):
            plan = plan.with_cells(tuple(cells))
        plan = replace(plan, changes=tuple(_changes(branches, begins)))
        hidden = self._states[lowest, at].unsqueeze(0)
        return self._runner.go_on(self._cache, hidden, lowest, span, plan, taps)[0]

    def _number(self, layer: int) -> int:
        """Return which of the layers of experts that is, or how many come before it."""
        return sum(each < layer for each in self._model.geometry.layer_ids)


def _changes(branches: Sequence[tuple[Fork, Variant]], begins: np.ndarray) -> Iterator[Change]:
    """Gather what is put, by part, layer and manner."""
    gathered: dict[tuple[Part, int, bool], list[tuple[int, Tensor]]] = {}
    for (fork, variant), begin in zip(branches, begins.tolist(), strict=True):
        for put in variant.puts:
            place = begin + put.token - fork.first, put.values
            gathered.setdefault((put.part, fork.layer, put.replaces), []).append(place)
    for (part, layer, replaces), places in gathered.items():
        tokens, values = zip(*places, strict=True)
        stacked = torch.stack(values)
        yield Change(part, layer, torch.tensor(tokens, device=stacked.device), stacked, replaces)


def check_cell(model: Model, layer: int, token: int, tokens: int) -> None:
    """Raise InputError unless there is such a layer of experts and such a token."""
    ids = model.geometry.layer_ids
    if layer not in ids:
        raise InputError(f"Layer {layer} has no experts; the layers that do are {ids}.")
    check_place("token", token, tokens)
