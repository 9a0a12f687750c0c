"""SequenceGroup: the rows of one request, which read one prompt and write in step."""

import logging
import math
from collections.abc import Sequence as Ordered
from typing import Any

import numpy as np

from olmoe_viz.engine.decoder import Ran
from olmoe_viz.engine.inputs import check_length, check_policies, encode, text_of
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.engine.sequence import Sequence
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Finish, Generation, RowStep, Step
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import GenerateRequest

_NOT_FINITE = "the model's numbers are no longer finite"
_log = logging.getLogger(__name__)


class SequenceGroup:
    """One request on its way through the steps of a scheduler.

    `steps` fills with what is to be passed on. `error` is a sentence once something has gone wrong;
    unfinished rows then have finish "error". Raises InputError for a request that does not fit the
    model.
    """

    def __init__(self, model: Model, request: GenerateRequest) -> None:
        check_policies(model, request.policies)
        self.prompt = encode(model, request.prompt)
        check_length(model, len(self.prompt), request.max_new_tokens)
        self.request, self.runner = request, runner_of(model).name
        self.steps: list[Step] = []
        self.error: str | None = None
        self.reading = True
        self.prefill_seconds = self.seconds = 0.0
        self._model, self._index = model, -1
        self._ends = _end_tokens(model)
        sampling = Sampling(request.temperature, request.top_p, request.seed)
        uniforms = sampling.uniforms(len(self.prompt), request.max_new_tokens).tolist()
        self.rows = [
            Sequence(
                self.prompt,
                policy,
                sampling,
                uniforms,
                width(policy, model.geometry),
                model.token_bytes,
            )
            for policy in request.policies
        ]
        self._alike = self._readers()

    @property
    def done(self) -> bool:
        """Whether every row has finished."""
        return all(row.finish is not None for row in self.rows)

    @property
    def written(self) -> int:
        """The steps in which tokens were written."""
        return self._index + 1

    @property
    def at_work(self) -> list[Sequence]:
        """The rows that run next.

        Of rows alike one reads the prompt for all; its last token, after which they choose, each
        runs itself.
        """
        if self.left_to_share:
            return [first for first, *_ in self._alike]
        return [row for row in self.rows if row.finish is None]

    @property
    def left_to_share(self) -> int:
        """The tokens of the prompt that one row still reads for others."""
        alone = len(self._alike) == len(self.rows)
        return 0 if alone else max(len(self.prompt) - 1 - self.rows[0].position, 0)

    def take(self, ran: Ordered[Ran], seconds: float) -> None:
        """Take what a step has done for this group's rows, and the seconds that it took."""
        try:
            if not all(np.isfinite(each.routed["router_logits"]).all() for each in ran):
                raise ArithmeticError(_NOT_FINITE)
            if self.reading:
                self._take_prompt(ran, seconds)
            else:
                self._take_tokens(ran, seconds)
            for each in ran:
                if each.chosen is not None and not math.isfinite(each.chosen[1]):
                    raise ArithmeticError(_NOT_FINITE)
        except ArithmeticError as error:
            self.fail(error)

    def followers(self) -> list[tuple[Sequence, list[Sequence]]]:
        """Return the rows that read for others, each with those that go on from there."""
        return [(first, others) for first, *others in self._alike if others]

    def stop(self) -> None:
        """End the rows that have not finished."""
        self._end("stopped")

    def fail(self, error: Exception) -> None:
        """End the rows that have not finished, as broken off; say so in a step of its own."""
        _log.error("Decoding broke off.", exc_info=error)
        self.error = _sentence(error, self.written)
        self.steps.append(self._step(self._end("error")))

    def generations(self) -> tuple[Generation, ...]:
        """Return what every row has written so far; a row that still runs counts as stopped.

        Empty before the whole prompt has been read.
        """
        if self.reading:
            return ()
        return tuple(self._generation(number, row) for number, row in enumerate(self.rows))

    def _readers(self) -> list[list[Sequence]]:
        """Return the rows in groups that read the prompt alike, where a pass can leave rows out."""
        if not runner_of(self._model).rows_join:
            return [[row] for row in self.rows]
        groups: dict[RoutingPolicy, list[Sequence]] = {}
        for row in self.rows:
            groups.setdefault(row.policy, []).append(row)
        return list(groups.values())

    def _take_prompt(self, ran: Ordered[Ran], seconds: float) -> None:
        self.prefill_seconds += seconds
        shared = self.left_to_share > 0
        alike = self._alike if shared else [[row] for row in self.rows]
        for each, rows in zip(ran, alike, strict=True):
            for row in rows:
                row.read(each.routed)
            if each.chosen is not None:
                each.row.choose(*each.chosen)
        self.reading = ran[0].chosen is None
        if self.reading and shared == (self.left_to_share > 0):  # else its last token alone is left
            self.steps.append(self._step({}))

    def _take_tokens(self, ran: Ordered[Ran], seconds: float) -> None:
        self.seconds += seconds
        self._index += 1
        steps = {}
        for each in ran:
            each.row.seconds = self.seconds
            steps[each.row] = each.row.write(each.routed, self._ends)
            if each.chosen is not None:
                each.row.choose(*each.chosen)
        self.steps.append(self._step(steps))

    def _end(self, finish: Finish) -> dict[Sequence, RowStep]:
        """Finish all rows that are not; return what that adds to their text."""
        ended = {}
        for row in self.rows:
            if row.finish is None:
                waiting = row.end(finish)
                row.text += waiting
                ended[row] = row.idle(self._model.geometry, waiting)
        return ended

    def _step(self, rows: dict[Sequence, RowStep]) -> Step:
        geometry = self._model.geometry
        steps = (rows.get(row) or row.idle(geometry) for row in self.rows)
        return Step(self._index, tuple(steps), self.seconds)

    def _generation(self, number: int, row: Sequence) -> Generation:
        table, seconds = self._model.token_bytes, self.prefill_seconds + row.seconds
        arrays: dict[str, Any] = row.arrays(self._model.geometry)
        return Generation(
            request=self.request,
            row=number,
            prompt=text_of(self._model, self.request.prompt),
            prompt_tokens=len(self.prompt),
            prompt_ids=np.array(self.prompt, dtype=np.int64),
            token_ids=np.array(row.ids, dtype=np.int64),
            tokens=tuple(display_token(table.of(token)) for token in row.ids),
            text=row.text,
            logprobs=np.array(row.logprobs[: len(row.ids)], dtype=np.float32),
            seconds=row.seconds,
            prefill_seconds=self.prefill_seconds,
            finish=row.finish or "stopped",
            geometry=self._model.geometry,
            provenance=provenance(self._model, seconds, self.runner),
            score=self._model.sites[0].rule.score,
            **arrays,
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
