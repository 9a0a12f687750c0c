"""Several continuations of one prompt at once, each under its own policy, token by token.

Knows nothing about drawing. All rows share one batch, one cache and one pass a step.
"""

import logging
import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.decoder import Decoder, RowWritten
from olmoe_viz.engine.decoders import decoder_of
from olmoe_viz.engine.inputs import check_length, check_policies, encode, text_of
from olmoe_viz.engine.prompt import part_of
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.engine.sequence import Sequence
from olmoe_viz.engine.taps import Arrays, Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Finish, Generation, RowStep, Step
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import GenerateRequest

_NOT_FINITE = "the model's numbers are no longer finite"
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
        self._rows = [
            Sequence(policy, slot, width(policy, model.geometry), model.token_bytes)
            for slot, policy in enumerate(request.policies)
        ]
        self._whole_prompt_read = False
        self._runner_name = self._runner.name
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
        if not self._whole_prompt_read:
            return ()
        return tuple(self._generation(row) for row in self._rows)

    def _run(self) -> Generator[Step, None, None]:
        index, decoder = -1, None
        try:
            decoder = self._decoder()
            self._runner_name = decoder.name
            for _ in self._read(decoder):
                yield self._step(index, {})
            while any(row.finish is None for row in self._rows):
                index += 1
                yield self._write(decoder, index)
        except (RuntimeError, MemoryError, ArithmeticError, OSError) as error:
            _log.exception("Decoding broke off.")
            self.error = _sentence(error, max(index, 0))
            yield self._step(index, self._end("error"))
        finally:
            if decoder is not None:
                decoder.close()
            self._end("stopped")

    def _decoder(self) -> Decoder:
        request = self._request
        sampling = Sampling(request.temperature, request.top_p, request.seed)
        lengths = len(self._prompt), request.max_new_tokens
        return decoder_of(self._model, request.policies, sampling, *lengths)

    def _read(self, decoder: Decoder) -> Iterator[None]:
        """Run the prompt, in parts, once for each policy; yield between two parts."""
        groups = self._alike()
        part = part_of(self._model, len(groups))
        for start in range(0, len(self._prompt), part):
            if start:
                yield
            ids = self._prompt[start : start + part]
            hidden = self._read_part(decoder.state, groups, ids, start)
        began = time.perf_counter()
        with torch.inference_mode():
            self._share(decoder, groups, hidden)
        self.prefill_seconds += time.perf_counter() - began
        self._whole_prompt_read = True

    def _alike(self) -> list[list[Sequence]]:
        """Return the rows in groups that read the prompt alike, where a pass can leave rows out."""
        if not self._runner.rows_join:
            return [[row] for row in self._rows]
        groups: dict[RoutingPolicy, list[Sequence]] = {}
        for row in self._rows:
            groups.setdefault(row.policy, []).append(row)
        return list(groups.values())

    @torch.inference_mode()
    def _read_part(
        self, state: Any, groups: list[list[Sequence]], ids: list[int], start: int
    ) -> Tensor:
        """Run a part in the first row of each group; return the residual stream after its last."""
        rows, began = [group[0] for group in groups], time.perf_counter()
        plan, taps = self._runner.plan([row.policy for row in rows]), Taps(len(rows))
        with threads(self._model, len(rows) * len(ids)):
            slots, starts = [row.slot for row in rows], [start] * len(rows)
            hidden = self._runner.step(state, [ids] * len(rows), slots, starts, plan, taps)
        for group, routed in zip(groups, taps.by_row(), strict=True):
            _check_finite(routed)
            for row in group:
                row.read(routed)
        self.prefill_seconds += time.perf_counter() - began
        return hidden[:, -1]

    def _share(self, decoder: Decoder, groups: list[list[Sequence]], hidden: Tensor) -> None:
        """Give every row what the first of its group has read, and the decoder its start."""
        group_of = [0] * len(self._rows)
        for number, (first, *others) in enumerate(groups):
            if others:
                slots = [row.slot for row in others]
                decoder.state.copy(first.slot, slots, len(self._prompt))
            for row in (first, *others):
                group_of[row.slot] = number
        decoder.start(hidden[group_of])

    @torch.inference_mode()
    def _write(self, decoder: Decoder, index: int) -> Step:
        """Write the next token of every unfinished row."""
        writing = [row for row in self._rows if row.finish is None]
        written = decoder.write([row.slot for row in writing])
        self.seconds += written.seconds
        steps = {}
        for row, own in zip(writing, written.rows, strict=True):
            row.seconds = self.seconds
            steps[row.slot] = self._take(row, index, own)
        return self._step(index, steps)

    def _take(self, row: Sequence, index: int, written: RowWritten) -> RowStep:
        token, logprob, routed = written
        _check_finite(routed)
        if not math.isfinite(logprob):
            raise ArithmeticError(_NOT_FINITE)
        ended = token in self._ends
        text = "" if ended else row.detokenizer.push(token)
        if ended or index + 1 == self._request.max_new_tokens:
            text += row.end("end" if ended else "length")
        return row.write(token, text, logprob, routed)

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
        arrays: dict[str, Any] = row.arrays(self._model.geometry)
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
            provenance=provenance(
                self._model, self.prefill_seconds + row.seconds, self._runner_name
            ),
            score=self._model.sites[0].rule.score,
            **arrays,
        )


def _check_finite(routed: Arrays) -> None:
    if not np.isfinite(routed["router_logits"]).all():
        raise ArithmeticError(_NOT_FINITE)


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
