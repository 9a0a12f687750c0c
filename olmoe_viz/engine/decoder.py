"""Decoders: who chooses the next token of every row and runs it.

`PlainDecoder` goes step by step through the model's pass; on a GPU `gpu_decoder` runs ahead.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling, pick
from olmoe_viz.engine.taps import Arrays, Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy


class RowWritten(NamedTuple):
    """One token of one row: its natural log-probability before temperature, and what was recorded.

    `routed` has arrays [layers, 1, ...].
    """

    token: int
    logprob: float
    routed: Arrays


class Written(NamedTuple):
    """A token of each row that was asked for, in that order.

    `seconds` is the time that the step took where it ran.
    """

    rows: list[RowWritten]
    seconds: float


class Decoder(Protocol):
    """Writes the rows of one batch, which all go on from the same position.

    `name` is for the provenance of what it computes. `state` is the cache into which the prompt is
    read, row r in slot r.
    """

    state: Any

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        ...

    def start(self, hidden: Tensor) -> None:
        """Take the residual stream after the prompt's last token, [rows, hidden]."""
        ...

    def write(self, rows: Sequence[int]) -> Written:
        """Choose the next token of some rows and run it; rows left out have ended."""
        ...

    def close(self) -> None:
        """Give back what the decoder holds."""
        ...


class PlainDecoder:
    """Chooses on the host, then runs; `without` says why there are no GPU kernels on a GPU."""

    def __init__(
        self,
        model: Model,
        policies: Sequence[RoutingPolicy],
        sampling: Sampling,
        prompt: int,
        limit: int,
        without: str | None = None,
    ) -> None:
        self._model, self._runner = model, runner_of(model)
        self._policies, self._sampling = policies, sampling
        self._without = f"; no Triton kernels: {without}" if without else ""
        self.state = self._runner.open(len(policies), prompt + limit)
        self._position = prompt
        self._uniforms = iter(sampling.uniforms(prompt, limit))
        self._scores = torch.empty(0)  # float32 [rows, vocab] on the CPU

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        return self._runner.name + self._without

    def start(self, hidden: Tensor) -> None:
        """Take the residual stream after the prompt; see `Decoder.start`."""
        self._scores = self._runner.readout(hidden).cpu()

    def write(self, rows: Sequence[int]) -> Written:
        """Choose and run; see `Decoder.write`."""
        began = time.perf_counter()
        scores = self._scores[list(rows)]
        chosen = pick(scores, self._sampling, next(self._uniforms).expand(len(rows)))
        logprobs = scores.gather(1, chosen.unsqueeze(1)).squeeze(1) - scores.logsumexp(-1)
        tokens = dict(zip(rows, chosen.tolist(), strict=True))
        # A pass whose rows cannot leave runs finished ones on; what they give is not looked at.
        running = rows if self._runner.rows_join else range(len(self._policies))
        recorded = self._run(running, [[tokens.get(row, 0)] for row in running])
        routed = dict(zip(running, recorded, strict=True))
        written = [
            RowWritten(tokens[row], logprob, routed[row])
            for row, logprob in zip(rows, logprobs.tolist(), strict=True)
        ]
        return Written(written, time.perf_counter() - began)

    def _run(self, rows: Sequence[int], ids: list[list[int]]) -> list[Arrays]:
        """Run one token of some rows, keep the scores after it, return what was recorded."""
        plan = self._runner.plan([self._policies[row] for row in rows], "generated")
        taps, starts = Taps(len(rows)), [self._position] * len(rows)
        with threads(self._model, len(rows)):
            hidden = self._runner.step(self.state, ids, rows, starts, plan, taps)
            self._scores[list(rows)] = self._runner.readout(hidden[:, -1]).cpu()
        self._position += 1
        return taps.by_row()

    def close(self) -> None:
        """Give back the cache."""
        self.state = None
