"""Several continuations of one prompt at once, each under its own policy, token by token.

Knows nothing about drawing. All rows share one batch, one cache and one forward pass a step.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.forward import Cache, Span, forward, logits
from olmoe_viz.engine.inputs import Sampling, check_length, check_policies, encode
from olmoe_viz.engine.recording import PART, provenance, router_logits
from olmoe_viz.engine.router import Recorder, routing
from olmoe_viz.engine.sampling import Sampler
from olmoe_viz.engine.text import Detokenizer, TokenBytes
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.load import Model
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import Finish, Generation, display_token

Float32s = NDArray[np.float32]

_log = logging.getLogger(__name__)


class DecodingError(RuntimeError):
    """Decoding broke off; the text says why, `generations` holds what was written until then."""

    def __init__(self, sentence: str, generations: list[Generation]) -> None:
        super().__init__(sentence)
        self.generations = generations


@dataclass(frozen=True, eq=False)
class RowStep:
    """What one row did in one step.

    `text` is what this step completes, often one token's text, sometimes none. `logprob` is the
    token's natural log-probability under the row's own policy before temperature.
    `router_logits` is float32 [layers, experts] of this token. A row that does nothing in the step
    has token_id None, logprob nan and router_logits [layers, 0]. `finish` is set from the row's
    last step on.
    """

    token_id: int | None
    text: str
    logprob: float
    finish: Finish | None
    router_logits: Float32s


@dataclass(frozen=True, eq=False)
class Step:
    """One decoding step of all rows, in the order of the policies.

    `index` counts from 0; while a long prompt is being read it is -1 and no row has a token.
    `seconds` is the time spent decoding so far, without reading the prompt and without what the
    caller does between steps.
    """

    index: int
    rows: tuple[RowStep, ...]
    seconds: float


def stream(
    model: Model,
    prompt: str | Iterable[int],
    policies: Sequence[RoutingPolicy],
    max_new_tokens: int = 80,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> "Decoding":
    """Continue a prompt under each policy; iterate over the result to get one Step at a time.

    Greedy at temperature 0; otherwise every row draws with the same seed. A row's result does not
    depend on the other rows. Raises InputError at once for a prompt, a policy or a setting that
    does not fit; see `Decoding` for what happens later.
    """
    check_policies(model, policies)
    ids = encode(model, prompt)
    check_length(model, len(ids), max_new_tokens)
    sampling = Sampling(temperature, top_p, seed)
    text = prompt if isinstance(prompt, str) else TokenBytes(model.tokenizer).text(ids)
    return Decoding(model, (text, ids), policies, max_new_tokens, sampling)


def compare(
    model: Model,
    prompt: str | Iterable[int],
    policies: Sequence[RoutingPolicy],
    max_new_tokens: int = 80,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[Generation]:
    """Continue a prompt under each policy and return one Generation for each, in their order.

    Arguments and InputError as in `stream`. Raises DecodingError when decoding breaks off; what
    was written until then is in its `generations`, with finish "error".
    """
    decoding = stream(model, prompt, policies, max_new_tokens, temperature, top_p, seed)
    for _ in decoding:
        pass
    if decoding.error is not None:
        raise DecodingError(decoding.error, decoding.generations())
    return decoding.generations()


@torch.inference_mode()
def advance(
    model: Model,
    cache: Cache,
    token_ids: Sequence[Sequence[int]],
    slots: Sequence[int],
    starts: Sequence[int],
    policies: Sequence[RoutingPolicy],
) -> tuple[Tensor, Float32s]:
    """Run equally many new tokens of some rows through the model, each row under its own policy.

    Row r continues slot `slots[r]` of the cache at position `starts[r]`, so rows at different
    positions share a step, and may join (any free slot, from position 0) and leave between steps.
    Returns the logits after each row's last token, float32 [rows, vocab] on the CPU, and the raw
    router logits of the new tokens, float32 [rows, layers, tokens, experts].
    """
    recorder: Recorder = {}
    tokens = torch.tensor(token_ids, device=model.device)
    span = Span.at(cache, slots, starts, tokens.shape[1])
    with routing(policies, recorder), threads(model, tokens.numel()):
        hidden = forward(model.module, tokens, cache, span)
        scores = logits(model.module, hidden[:, -1]).cpu()
    return scores, router_logits(recorder, rows=len(slots))


class _Row:
    """One continuation as it grows."""

    def __init__(self, policy: RoutingPolicy, slot: int, sampling: Sampling, table: TokenBytes):
        self.policy, self.slot = policy, slot
        self.sampler = Sampler(sampling)
        self.detokenizer = Detokenizer(table)
        self.scores = torch.empty(0)  # logits of the next token, once the prompt has been read
        self.prompt_logits: list[Float32s] = []
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.router_logits: list[Float32s] = []
        self.text = ""
        self.finish: Finish | None = None
        self.seconds = 0.0

    def write(self, token: int, text: str, scores: Tensor, routed: Float32s) -> RowStep:
        """Take a token that has been run: its text, the logits after it, its router logits."""
        logprob = float(self.scores[token] - self.scores.logsumexp(-1))
        self.ids.append(token)
        self.logprobs.append(logprob)
        self.router_logits.append(routed)
        self.text += text
        self.scores = scores
        return RowStep(token, text, logprob, self.finish, routed)

    def end(self, finish: Finish) -> str:
        """Finish the row; return the text of bytes that still wait for their character."""
        self.finish = finish
        return self.detokenizer.finish()


class Decoding:
    """A running comparison: an iterator over Steps that can be closed and read at any time.

    Stop by leaving the loop and calling `close` (or by using it as a context manager): unfinished
    rows then have finish "stopped". When the computation breaks off, the iteration ends with one
    more Step whose unfinished rows have finish "error", and `error` is a sentence that says what
    happened; nothing is raised. Either way `generations` has what was written until then, and the
    cache is released. One thread at a time may use one Decoding; several of them can share a model.
    """

    def __init__(
        self,
        model: Model,
        prompt: tuple[str, list[int]],
        policies: Sequence[RoutingPolicy],
        max_new_tokens: int,
        sampling: Sampling,
    ) -> None:
        self.error: str | None = None
        self.prefill_seconds = 0.0
        self.seconds = 0.0
        self._model, self._sampling = model, sampling
        self._text, self._prompt = prompt
        self._limit = max_new_tokens
        self._table = TokenBytes(model.tokenizer)
        self._ends = _end_tokens(model)
        self._rows = [
            _Row(policy, slot, sampling, self._table) for slot, policy in enumerate(policies)
        ]
        self._steps = self._run()

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        return next(self._steps)

    def __enter__(self) -> "Decoding":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the run and free its memory; rows that are not finished are stopped."""
        self._steps.close()
        self._end("stopped")

    def generations(self) -> list[Generation]:
        """Return what every row has written so far; a row that still runs counts as stopped.

        Empty before the whole prompt has been read.
        """
        if not all(len(row.scores) for row in self._rows):
            return []
        return [self._generation(row) for row in self._rows]

    def _run(self) -> Generator[Step, None, None]:
        index = -1
        try:
            cache = Cache(self._model.module, len(self._rows), len(self._prompt) + self._limit)
            for _ in self._read(cache):
                yield self._step(index, {})
            while any(row.finish is None for row in self._rows):
                index += 1
                yield self._write(cache, index)
        except (RuntimeError, MemoryError, ArithmeticError, OSError) as error:
            _log.exception("Decoding broke off.")
            self.error = _sentence(error, max(index, 0))
            yield self._step(index, self._end("error"))
        finally:
            self._end("stopped")

    def _read(self, cache: Cache) -> Iterator[None]:
        """Run the prompt for every row, in parts; yield between two parts."""
        rows = self._rows
        part = max(PART // len(rows), 1)
        for start in range(0, len(self._prompt), part):
            if start:
                yield
            began = time.perf_counter()
            ids = self._prompt[start : start + part]
            scores, routed = self._advance(cache, rows, [ids] * len(rows), start)
            for row, layers in zip(rows, routed, strict=True):
                row.prompt_logits.append(layers)
            self.prefill_seconds += time.perf_counter() - began
        for row, following in zip(rows, scores, strict=True):
            row.scores = following

    def _write(self, cache: Cache, index: int) -> Step:
        """Pick the next token of every unfinished row and run them together."""
        began = time.perf_counter()
        rows = [row for row in self._rows if row.finish is None]
        tokens = [row.sampler.pick(row.scores) for row in rows]
        start = len(self._prompt) + index
        scores, routed = self._advance(cache, rows, [[token] for token in tokens], start)
        written = {}
        for row, token, following, layers in zip(rows, tokens, scores, routed, strict=True):
            text = "" if token in self._ends else row.detokenizer.push(token)
            if token in self._ends or index + 1 == self._limit:
                text += row.end("end" if token in self._ends else "length")
            written[row.slot] = row.write(token, text, following, layers[:, 0])
        self.seconds += time.perf_counter() - began
        for row in rows:
            row.seconds = self.seconds
        return self._step(index, written)

    def _advance(
        self, cache: Cache, rows: list[_Row], token_ids: list[list[int]], start: int
    ) -> tuple[Tensor, Float32s]:
        slots, policies = [row.slot for row in rows], [row.policy for row in rows]
        starts = [start] * len(rows)
        scores, routed = advance(self._model, cache, token_ids, slots, starts, policies)
        if not (scores.isfinite().all() and np.isfinite(routed).all()):
            raise ArithmeticError("the model's numbers are no longer finite")
        return scores, routed

    def _end(self, finish: Finish) -> dict[int, RowStep]:
        """Finish all rows that are not; return what that adds to their text, by slot."""
        ended = {}
        for row in self._rows:
            if row.finish is None:
                waiting = row.end(finish)
                row.text += waiting
                ended[row.slot] = self._idle(finish, waiting)
        return ended

    def _step(self, index: int, rows: dict[int, RowStep]) -> Step:
        steps = (rows.get(row.slot) or self._idle(row.finish, "") for row in self._rows)
        return Step(index, tuple(steps), self.seconds)

    def _idle(self, finish: Finish | None, text: str) -> RowStep:
        nothing = np.empty((self._model.geometry.layers, 0), dtype=np.float32)
        return RowStep(None, text, float("nan"), finish, nothing)

    def _generation(self, row: _Row) -> Generation:
        geometry = self._model.geometry
        none = np.empty((0, geometry.layers, geometry.experts), dtype=np.float32)
        routed = np.stack(row.router_logits) if row.ids else none
        seconds = row.seconds
        return Generation(
            policy=row.policy,
            prompt=self._text,
            prompt_ids=np.array(self._prompt, dtype=np.int64),
            token_ids=np.array(row.ids, dtype=np.int64),
            tokens=tuple(display_token(self._table.of(token)) for token in row.ids),
            text=row.text,
            logprobs=np.array(row.logprobs, dtype=np.float32),
            router_logits=np.ascontiguousarray(routed.transpose(1, 0, 2)),
            prompt_router_logits=np.concatenate(row.prompt_logits, axis=1),
            seconds=seconds,
            prefill_seconds=self.prefill_seconds,
            finish=row.finish or "stopped",
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            seed=self._sampling.seed,
            geometry=geometry,
            provenance=provenance(self._model, self.prefill_seconds + seconds),
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
            "Generate fewer tokens or choose fewer columns, then run again."
        )
    reason = first_line(error)
    return f"The model stopped after {tokens} tokens: {reason}. Run again, or change the prompt."


def first_line(error: Exception) -> str:
    """Return what an error says in its first line, for use in a sentence; torch adds many more."""
    return str(error).partition("\n")[0].rstrip(".")
