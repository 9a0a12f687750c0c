"""Decoders: who runs the new tokens of the rows of one batch and chooses those that come next.

`PlainDecoder` goes through the model's pass; `cpu_decoder` and `gpu_decoder` have compiled steps.
"""

import time
from collections.abc import Sequence as Ordered
from typing import Any, NamedTuple, Protocol

import torch

from olmoe_viz.engine.cache import Entries
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import pick
from olmoe_viz.engine.sequence import Sequence
from olmoe_viz.engine.taps import Arrays, Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.model import Model


class Part(NamedTuple):
    """`length` tokens of a row that run next: a part of its prompt, or the one chosen last."""

    row: Sequence
    length: int

    @property
    def tokens(self) -> list[int]:
        """Their ids."""
        return self.row.tokens[self.row.position : self.row.position + self.length]


class Ran(NamedTuple):
    """A part that has run: what was recorded, arrays [layers, tokens, ...], and what comes next.

    `chosen` is a token and its natural log-probability before temperature; None where the prompt
    goes on, and where the row wants no more.
    """

    row: Sequence
    routed: Arrays
    chosen: tuple[int, float] | None


class Stepped(NamedTuple):
    """What a step has done, in the order of its parts; `seconds` are those it took where it ran."""

    ran: list[Ran]
    seconds: float


class Decoder(Protocol):
    """Runs rows that join and leave between steps, each at a position of its own.

    `name` is for the provenance of what it computes. A step that has raised an error may be run
    again with some of its parts.
    """

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        ...

    def join(self, rows: Ordered[Sequence]) -> bool:
        """Give rows of equal length a place in the cache; False where there is none left."""
        ...

    def leave(self, rows: Ordered[Sequence]) -> None:
        """Free the place of rows that joined together."""
        ...

    def share(self, source: Sequence, targets: Ordered[Sequence]) -> None:
        """Copy what a row has read of the prompt to others."""
        ...

    def step(self, parts: Ordered[Part]) -> Stepped:
        """Run the parts, at most one of a row, and choose what comes next."""
        ...

    def close(self) -> None:
        """Give back what the decoder holds."""
        ...


class PlainDecoder:
    """Runs the model's pass and chooses on the host.

    The cache takes `entries` tokens of all rows. `without` says why there are no GPU kernels on a
    GPU.
    """

    def __init__(self, model: Model, entries: int, without: str | None = None) -> None:
        self._model, self._runner = model, runner_of(model)
        self._without = f"; no Triton kernels: {without}" if without else ""
        self._cache: Any = self._runner.open(1, entries)
        self._entries = Entries(entries)

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        return self._runner.name + self._without

    def join(self, rows: Ordered[Sequence]) -> bool:
        """Give rows a place, one behind the other; see `Decoder.join`."""
        first = self._entries.take(sum(row.length for row in rows))
        if first is None:
            return False
        for number, row in enumerate(rows):
            row.base = first + number * row.length
        return True

    def leave(self, rows: Ordered[Sequence]) -> None:
        """Free the rows' place; see `Decoder.leave`."""
        self._entries.give_back(rows[0].base)

    def share(self, source: Sequence, targets: Ordered[Sequence]) -> None:
        """Copy what a row has read; see `Decoder.share`."""
        self._cache.copy(source.base, [row.base for row in targets], source.position)

    @torch.inference_mode()
    def step(self, parts: Ordered[Part]) -> Stepped:
        """Run the parts, those of equal length and phase together; see `Decoder.step`."""
        began = time.perf_counter()
        done: dict[Sequence, Ran] = {}
        for count, phase in sorted({(part.length, part.row.phase) for part in parts}):
            alike = [part for part in parts if (part.length, part.row.phase) == (count, phase)]
            done |= {ran.row: ran for ran in self._run(alike, count)}
        return Stepped([done[part.row] for part in parts], time.perf_counter() - began)

    def close(self) -> None:
        """Give back the cache."""
        self._cache = None

    def _run(self, parts: Ordered[Part], count: int) -> list[Ran]:
        rows = [part.row for part in parts]
        plan = self._runner.plan([row.policy for row in rows], parts[0].row.phase)
        cache = self._cache.at([row.base for row in rows], max(row.length for row in rows))
        starts, ids = [row.position for row in rows], [part.tokens for part in parts]
        taps = Taps(len(rows))
        with threads(self._model, len(rows) * count):
            hidden = self._runner.step(cache, ids, range(len(rows)), starts, plan, taps)
            scores = self._runner.readout(hidden[:, -1]).cpu()
        return ran(parts, taps.by_row(), scores)


class GroupDecoder(PlainDecoder):
    """The same for a pass whose rows cannot join or leave: one group that stays together."""

    def join(self, rows: Ordered[Sequence]) -> bool:
        """Take the first group that comes, and no other; see `Decoder.join`."""
        if self._entries.take(self._entries.count) is None:
            return False
        self._rows = list(rows)
        self._cache = self._runner.open(len(rows), rows[0].length)
        return True

    def _run(self, parts: Ordered[Part], count: int) -> list[Ran]:
        # Finished rows run on; what they give is not looked at.
        running, rows = {part.row: part for part in parts}, self._rows
        ids = [running[row].tokens if row in running else [0] * count for row in rows]
        starts, taps = [parts[0].row.position] * len(rows), Taps(len(rows))
        plan = self._runner.plan([row.policy for row in rows], parts[0].row.phase)
        with threads(self._model, len(rows) * count):
            hidden = self._runner.step(self._cache, ids, range(len(rows)), starts, plan, taps)
            scores = self._runner.readout(hidden[:, -1]).cpu()
        places, routed = [rows.index(part.row) for part in parts], taps.by_row()
        return ran(parts, [routed[place] for place in places], scores[places])


def ran(parts: Ordered[Part], routed: Ordered[Arrays], scores: torch.Tensor) -> list[Ran]:
    """Return parts as run, each with what comes next; `scores` are float32 [parts, vocab]."""
    ending = [
        number
        for number, (row, count) in enumerate(parts)
        if row.position + count == len(row.tokens) and row.uniform is not None
    ]
    chosen: dict[int, tuple[int, float]] = {}
    if ending:
        rows, after = [parts[number].row for number in ending], scores[ending]
        uniforms = torch.tensor([row.uniform for row in rows], dtype=torch.float64)
        ids = pick(after, [row.sampling for row in rows], uniforms)
        logprobs = after.gather(1, ids.unsqueeze(1)).squeeze(1) - after.logsumexp(-1)
        found = zip(ids.tolist(), logprobs.tolist(), strict=True)
        chosen = dict(zip(ending, found, strict=True))
    return [Ran(part.row, routed[number], chosen.get(number)) for number, part in enumerate(parts)]
