"""The pass of branches: one row of tokens, which a branch joins at the layer where it begins."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.branch_attention import BranchAttention
from olmoe_viz.engine.branch_rows import Branch, BranchRows
from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.forks import PutPart
from olmoe_viz.engine.olmoe_runner import OlmoeRunner, Turn
from olmoe_viz.engine.plan import Plan
from olmoe_viz.families.edits import edits_of
from olmoe_viz.families.gate import LayerPlan, Weighed
from olmoe_viz.records.record import ExpertIds, Float32s


class Text(NamedTuple):
    """What branches leave: the keys and values of a text, its states, and its row's policy.

    `states` [blocks + 1, tokens, hidden] are what entered each block and left the last.
    """

    cache: KvCache
    states: Tensor
    plan: Plan


class BranchPass:
    """Branches of one text, by rising layer."""

    def __init__(self, runner: OlmoeRunner, text: Text, branches: Sequence[Branch]) -> None:
        self._runner, self._text, self._rows = runner, text, BranchRows(branches)
        self._positions = torch.from_numpy(self._rows.positions)
        self._cells = list(self._rows.cells(text.plan))
        self._acting = {each for cell, _ in set(self._cells) for each in cell}
        self._puts: dict[tuple[PutPart, int, bool], list[tuple[int, Tensor]]] = {}
        for layer, token, put in self._rows.puts():
            places = self._puts.setdefault((put.part, layer, put.replaces), [])
            places.append((token, put.values))
        self._ran: dict[int, Weighed] = {}
        self._standing: dict[tuple[int, torch.device], tuple[Turn, BranchAttention]] = {}

    def scores(self, reads: int) -> Tensor:
        """Return float32 logits after the last `reads` tokens of each, [branches, reads, vocab]."""
        hidden = self._run()
        read_at = torch.from_numpy(self._rows.read_at(reads)).to(hidden.device)
        logits = self._runner.readout(hidden[read_at])
        return logits.view(-1, reads, logits.shape[-1])

    def _run(self) -> Tensor:
        """Return the residual stream after the last block, [tokens of all branches, hidden]."""
        devices, states = self._runner.devices, self._text.states
        hidden = states.new_empty(1, 0, states.shape[-1])
        for layer in range(int(self._rows.layers[0]), len(devices)):
            hidden = self._joined(layer, hidden.to(devices[layer]))
            turn, attention = self._stand(hidden)
            look = partial(attention.look, self._text.cache.layers[layer])
            attended = self._runner.attend(layer, hidden, turn, look)
            hidden = hidden + self._with_puts("attention", layer, attended)
            _, self._ran[layer], added = self._runner.mix(layer, hidden, self._plan(layer, hidden))
            hidden = hidden + added
        return self._joined(len(devices), hidden)[0]

    def ran(self, branches: slice) -> tuple[ExpertIds, Float32s]:
        """Return ids and weights of what ran for the first tokens of branches of one layer."""
        layer, rows = (
            int(self._rows.layers[branches][0]),
            torch.from_numpy(self._rows.begins[branches]),
        )
        if layer not in self._ran:
            none = np.empty((len(rows), 0))
            return none.astype(np.int16), none.astype(np.float32)
        weighed = self._ran[layer]
        ids, weights = (each.cpu()[rows] for each in (weighed.named(), weighed.weights))
        return ids.short().numpy(), weights.float().numpy()

    def _joined(self, layer: int, hidden: Tensor) -> Tensor:
        """Return the stream that enters a layer, with the branches that begin there."""
        there = int(np.searchsorted(self._rows.layers, layer, side="right"))
        new = self._positions[hidden.shape[1] : int(self._rows.ends[there - 1])]
        if len(new):
            joining = self._text.states[layer, new.to(self._text.states.device)]
            hidden = torch.cat((hidden, joining.unsqueeze(0).to(hidden.device)), 1)
        return self._with_puts("hidden", layer, hidden)

    def _with_puts(self, part: PutPart, layer: int, values: Tensor) -> Tensor:
        for replaces in (True, False):
            if (places := self._puts.get((part, layer, replaces))) is not None:
                tokens = torch.tensor([token for token, _ in places], device=values.device)
                vectors = torch.stack([vector for _, vector in places]).to(values)
                put = values[0].index_copy if replaces else values[0].index_add
                values = put(0, tokens, vectors).unsqueeze(0)
        return values

    def _stand(self, hidden: Tensor) -> tuple[Turn, BranchAttention]:
        """Return the rotary embedding of the tokens that are there, and what they look at."""
        tokens, device = hidden.shape[1], hidden.device
        if (tokens, device) not in self._standing:
            there = int(np.searchsorted(self._rows.ends, tokens)) + 1
            turn = self._runner.turn(hidden, self._positions[None, :tokens].to(device))
            attention = BranchAttention(
                self._rows.firsts[:there], self._rows.lengths[:there], device
            )
            self._standing[tokens, device] = turn, attention
        return self._standing[tokens, device]

    def _plan(self, layer: int, hidden: Tensor) -> LayerPlan:
        """Return the plan of a layer with what acts on the tokens that are there."""
        plan = self._text.plan
        if not any(each.acts_in(layer) for each in self._acting):
            return plan.layers[layer]
        cells, routed = tuple(self._cells[: hidden.shape[1]]), plan.layers[layer]
        edits = edits_of(cells, layer, plan.geometry.experts, routed.k, hidden.device)
        return replace(routed, edits=edits)
