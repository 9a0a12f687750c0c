"""Branches: one text read once, and gone on from some place in many ways side by side.

A branch leaves the text at a token and a layer, with something changed there. All branches stand in
one row of the cache behind the text: each sees the text up to its own first token and then itself,
so nothing of the text is read or copied twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from olmoe_viz.engine.branch_pass import BranchPass, Text
from olmoe_viz.engine.branch_rows import Branch
from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.compiling import COMPILED, ready_to_branch
from olmoe_viz.engine.differences import Difference, difference
from olmoe_viz.engine.experts import experts_of
from olmoe_viz.engine.forks import Fork, Variant
from olmoe_viz.engine.inputs import check_details, check_place
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.engine.plan import Plan
from olmoe_viz.engine.prompt import OnProgress, joined, part_of, read
from olmoe_viz.engine.residual import on_device, parts_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Arrays, Wish
from olmoe_viz.engine.threads import threads
from olmoe_viz.errors import InputError
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.record import ExpertIds, Float32s
from olmoe_viz.requests import Part

if TYPE_CHECKING:
    from olmoe_viz.engine.compiled_branches import CompiledBranchPass


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
        self._model, self._runner = model, runner
        self.ids = list(ids)
        # Room for the branches of a piece, or for one that goes through the whole text, and for
        # another beside it in which nothing is changed.
        self._room = max(part_of(model, 1), 2 * len(ids))
        self._kernels = ready_to_branch(model)
        cache, plan = runner.open(1, len(ids)), runner.plan([policy])
        parts = list(self._read(cache, plan, on_progress))
        found = {name: values[0] for name, values in joined(parts).items()}
        self.router_logits = found["router_logits"]
        self.expert_ids, self.weights = found["expert_ids"], found["weights"]
        self._states = on_device(model, found["hidden_states"], model.device)
        self._attended = on_device(model, found["attention_outputs"], model.device)
        self._text = Text(cache, self._states, plan)

    def _read(self, cache: KvCache, plan: Plan, on_progress: OnProgress) -> Iterator[Arrays]:
        """Yield what is recorded of each part of the text."""
        model, ids = self._model, self.ids
        if self._kernels is not None:
            from olmoe_viz.engine.compiled_branches import read as read_compiled

            yield from read_compiled(
                self._kernels, model, cache, ids, plan.policies[0], on_progress
            )
            return
        wishes: tuple[Wish, ...] = ("hidden_states", "attention_outputs")
        for _, arrays in read(model, cache, ids, plan, on_progress, *wishes):
            yield arrays

    @property
    def runner(self) -> str | None:
        """What computes, where that is not the model's pass; for the provenance."""
        return None if self._kernels is None else COMPILED

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
        return self._runner.readout(self._states[-1, -1].to(self._runner.devices[-1]))

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

    def difference(self, plain: Tensor, found: Tensor) -> Difference:
        """Compare predictions of branches; see `differences.difference`."""
        if self._kernels is None:
            return difference(plain, found)
        from olmoe_viz.engine.compiled_branches import difference as compiled_difference

        return compiled_difference(plain, found)

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
        ran = self._pass(branches)
        # The plain pass of a small model as for one token: each product has a few tokens of one
        # expert. Measured with 185 branches of the bundled model on two cores: beside other busy
        # programs one thread takes 0.18 s and two take 1.4 to 4.5 s, on an idle machine 0.15 and
        # 0.18 s.
        with threads(self._model, 1):
            by_branch = ran.scores(reads)
        at = 0
        for number, start, fork in piece:
            own = slice(at + 1, at + 1 + len(fork.variants))
            yield Ends(number, start, by_branch[at], by_branch[own], *ran.ran(own))
            at = own.stop

    def _pass(self, branches: Sequence[Branch]) -> "BranchPass | CompiledBranchPass":
        if self._kernels is None:
            return BranchPass(self._runner, self._text, branches)
        from olmoe_viz.engine.compiled_branches import CompiledBranchPass

        return CompiledBranchPass(self._kernels, self._text, branches)


def check_cell(model: Model, layer: int, token: int, tokens: int) -> None:
    """Raise InputError unless there is such a layer of experts and such a token."""
    ids = model.geometry.layer_ids
    if layer not in ids:
        raise InputError(f"Layer {layer} has no experts; the layers that do are {ids}.")
    check_place("token", token, tokens)
