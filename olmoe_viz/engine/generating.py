"""Several continuations of one prompt at once, each under its own policy, token by token.

Knows nothing about drawing. All rows share one batch, one cache and one pass a step.
"""

import logging
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.inputs import check_length, check_policies, encode, text_of
from olmoe_viz.engine.prompt import PART
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampler, Sampling
from olmoe_viz.engine.sequence import Arrays, Sequence
from olmoe_viz.engine.taps import Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Finish, Generation, RowStep, Step
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import GenerateRequest

_log = logging.getLogger(__name__)


class Generating:
    """A running generation: an iterator over Steps that can be closed and read at any time.

    Stop by leaving the loop and calling `close` (or by using it as a context manager): unfinished
    rows then have finish "stopped". When the computation breaks off, the iteration ends with one
    more Step whose unfinished rows have finish "error", and `error` is a sentence that says what
    happened; nothing is raised. Either way `generations` has what was written until then, and the
    cache is released. One thread at a time may use one Generating; several can share a model.

    A row's result does not depend on the other rows. Raises InputError at once for a request that
    does not fit the model.
    """

    def __init__(self, model: Model, request: GenerateRequest) -> None:
        check_policies(model, request.policies)
        self._prompt = encode(model, request.prompt)
        check_length(model, len(self._prompt), request.max_new_tokens)
        self.error: str | None = None
        self.prefill_seconds = 0.0
        self.seconds = 0.0
        self._model, self._request = model, request
        self._runner = runner_of(model)
        self._ends = _end_tokens(model)
        sampling = Sampling(request.temperature, request.top_p, request.seed)
        self._rows = [
            Sequence(
                policy, slot, width(policy, model.geometry), Sampler(sampling), model.token_bytes
            )
            for slot, policy in enumerate(request.policies)
        ]
        self._steps = self._run()

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        return next(self._steps)

    def __enter__(self) -> "Generating":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the run and free its memory; rows that are not finished are stopped."""
        self._steps.close()
        self._end("stopped")

    def generations(self) -> tuple[Generation, ...]:
        """Return what every row has written so far; a row that still runs counts as stopped.

        Empty before the whole prompt has been read.
        """
        if not all(len(row.scores) for row in self._rows):
            return ()
        return tuple(self._generation(row) for row in self._rows)

    def _run(self) -> Generator[Step, None, None]:
        index = -1
        try:
            limit = self._request.max_new_tokens
            state = self._runner.open(len(self._rows), len(self._prompt) + limit)
            for _ in self._read(state):
                yield self._step(index, {})
            while any(row.finish is None for row in self._rows):
                index += 1
                yield self._write(state, index)
        except (RuntimeError, MemoryError, ArithmeticError, OSError) as error:
            _log.exception("Decoding broke off.")
            self.error = _sentence(error, max(index, 0))
            yield self._step(index, self._end("error"))
        finally:
            self._end("stopped")

    def _read(self, state: Any) -> Iterator[None]:
        """Run the prompt for every row, in parts; yield between two parts."""
        rows = self._rows
        part = max(PART // len(rows), 1)
        for start in range(0, len(self._prompt), part):
            if start:
                yield
            began = time.perf_counter()
            ids = self._prompt[start : start + part]
            scores, routed = self._advance(state, rows, [ids] * len(rows), start)
            for row, own in zip(rows, routed, strict=True):
                row.read(own)
            self.prefill_seconds += time.perf_counter() - began
        for row, following in zip(rows, scores, strict=True):
            row.scores = following

    def _write(self, state: Any, index: int) -> Step:
        """Pick the next token of every unfinished row and run them together."""
        began = time.perf_counter()
        writing = [row for row in self._rows if row.finish is None]
        tokens = {row.slot: row.sampler.pick(row.scores) for row in writing}
        # A pass whose rows cannot leave runs finished ones on; what they give is not looked at.
        rows = writing if self._runner.rows_join else self._rows
        ids = [[tokens.get(row.slot, 0)] for row in rows]
        scores, routed = self._advance(state, rows, ids, len(self._prompt) + index)
        written = {}
        for row, following, own in zip(rows, scores, routed, strict=True):
            if row.finish is None:
                written[row.slot] = self._take(row, tokens[row.slot], index, following, own)
        self.seconds += time.perf_counter() - began
        for row in writing:
            row.seconds = self.seconds
        return self._step(index, written)

    def _take(
        self, row: Sequence, token: int, index: int, following: Tensor, routed: Arrays
    ) -> RowStep:
        ended = token in self._ends
        text = "" if ended else row.detokenizer.push(token)
        if ended or index + 1 == self._request.max_new_tokens:
            text += row.end("end" if ended else "length")
        return row.write(token, text, following, routed)

    @torch.inference_mode()
    def _advance(
        self, state: Any, rows: list[Sequence], ids: list[list[int]], start: int
    ) -> tuple[Tensor, list[Arrays]]:
        """Run equally many new tokens of some rows.

        Returns the logits after each row's last token, float32 [rows, vocab] on the CPU, and what
        was recorded of each row.
        """
        plan = self._runner.plan([row.policy for row in rows])
        taps = Taps(len(rows))
        with threads(self._model, len(ids) * len(ids[0])):
            slots, starts = [row.slot for row in rows], [start] * len(rows)
            hidden = self._runner.step(state, ids, slots, starts, plan, taps)
            scores = self._runner.readout(hidden[:, -1]).cpu()
        arrays = taps.arrays()
        if not (scores.isfinite().all() and np.isfinite(arrays["router_logits"]).all()):
            raise ArithmeticError("the model's numbers are no longer finite")
        routed = [{name: values[at] for name, values in arrays.items()} for at in range(len(rows))]
        return scores, routed

    def _end(self, finish: Finish) -> dict[int, RowStep]:
        """Finish all rows that are not; return what that adds to their text, by slot."""
        ended = {}
        for row in self._rows:
            if row.finish is None:
                waiting = row.end(finish)
                row.text += waiting
                ended[row.slot] = row.idle(self._model.geometry, waiting)
        return ended

    def _step(self, index: int, rows: dict[int, RowStep]) -> Step:
        geometry = self._model.geometry
        steps = (rows.get(row.slot) or row.idle(geometry) for row in self._rows)
        return Step(index, tuple(steps), self.seconds)

    def _generation(self, row: Sequence) -> Generation:
        table = self._model.token_bytes
        return Generation(
            request=self._request,
            row=row.slot,
            prompt=text_of(self._model, self._request.prompt),
            prompt_tokens=len(self._prompt),
            prompt_ids=np.array(self._prompt, dtype=np.int64),
            token_ids=np.array(row.ids, dtype=np.int64),
            tokens=tuple(display_token(table.of(token)) for token in row.ids),
            text=row.text,
            logprobs=np.array(row.logprobs, dtype=np.float32),
            seconds=row.seconds,
            prefill_seconds=self.prefill_seconds,
            finish=row.finish or "stopped",
            geometry=self._model.geometry,
            provenance=provenance(self._model, self.prefill_seconds + row.seconds),
            **row.arrays(self._model.geometry),
        )


def _end_tokens(model: Model) -> frozenset[int]:
    """Return the ids that end a text, by the model's configuration; names are never trusted."""
    configured: Any = model.module.generation_config.eos_token_id
    if configured is None:
        configured = model.module.config.eos_token_id
    if configured is None:
        return frozenset()
    return frozenset([configured] if isinstance(configured, int) else configured)


def _sentence(error: Exception, tokens: int) -> str:
    if out_of_memory(error):
        return (
            f"The memory ran out after {tokens} tokens. "
            "Generate fewer tokens or fewer rows, then run again."
        )
    reason = first_line(error)
    return f"The model stopped after {tokens} tokens: {reason}. Run again, or change the prompt."


def first_line(error: Exception) -> str:
    """Return what an error says in its first line, for use in a sentence; torch adds many more."""
    return str(error).partition("\n")[0].rstrip(".")
