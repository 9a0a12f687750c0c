"""One comparison of several ks: the request, the tokens so far, and the results of measurements.

Knows nothing about streamlit or torch.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.extra_experts import ExtraExperts
from olmoe_viz.analysis.quality import PromptQuality
from olmoe_viz.analysis.token_diff import first_difference, repetition_rate
from olmoe_viz.numerics import routing
from olmoe_viz.numerics.costs import active_parameters, bytes_per_token, total_parameters
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation, RowStep, Step
from olmoe_viz.records.record import ExpertIds
from olmoe_viz.records.routed import experts_together, experts_used
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import Text
from olmoe_viz.ui.compare.column_policies import single_k
from olmoe_viz.ui.compare.settings import Pair, Settings
from olmoe_viz.ui.compare.token_texts import split
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES


@dataclass(eq=False)
class Column:
    """The text of one policy as far as it has been written.

    `steps` are what came with each token while it is written, `generation` is the engine's own
    record, once the writing has ended. It is `cached` if it was there already, from an earlier run,
    and `called` something where the policy's own name says too little.
    """

    policy: RoutingPolicy
    pieces: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None
    generation: Generation | None = None
    steps: list[RowStep] = field(default_factory=list)
    cached: bool = False
    called: str = ""

    @property
    def k(self) -> int:
        """The one k of the column; columns never have a k for each layer."""
        return single_k(self.policy)

    @property
    def name(self) -> str:
        """The policy in words."""
        return self.called or texts.column_name(self.k, WEIGHTING_NAMES[self.policy.weighting])

    @property
    def text(self) -> str:
        """What has been generated."""
        return "".join(self.pieces)

    def take(self, row: RowStep) -> None:
        """Add one step of the text."""
        if row.token_id is not None:
            self.pieces.append(row.text)
            self.token_ids.append(row.token_id)
            self.logprobs.append(row.logprob)
            self.steps.append(row)
        self.finish = row.finish or self.finish

    def keep(self, generation: Generation, *, cached: bool = False) -> None:
        """Replace the steps by the record, which may have more tokens: after a stop, or all."""
        self.generation, self.cached = generation, cached
        self.finish = generation.finish
        self.pieces = split(generation.text, generation.tokens)
        self.token_ids = generation.token_ids.tolist()
        self.logprobs = generation.logprobs.tolist()
        self.steps.clear()

    def experts_used(self, layers: int) -> list[float]:
        """How many experts each token used in each layer, in the mean; k while there is no text."""
        record = self.generation
        if record is None or not record.tokens:
            return [float(self.k)] * layers
        used: list[float] = experts_used(record.expert_ids).tolist()
        return used

    def expert_ids(self, layers: int) -> ExpertIds:
        """The experts of the tokens so far, ids [layers, tokens, k]."""
        if self.generation is not None:
            return self.generation.expert_ids
        ids = [step.expert_ids for step in self.steps]
        return np.stack(ids, axis=1) if ids else np.zeros((layers, 0, 0), dtype=np.int16)


@dataclass(eq=False)
class Comparison:
    """What one request for texts asked for, and its results so far.

    A weight of the model takes `bytes_per_value`. `seconds` is the time in which all columns were
    written together, `error` the sentence of what ended it early. `bandwidth` is that of the memory
    they were written from, None until it has been measured; `file` names the
    opened file that the texts are from, if any. Results of measurements that follow: by
    column, as far as they are known,
    `trained`, the probabilities of its tokens under the trained k, and `qualities`, how well its
    policy predicts the prompt; `routed`, the experts that the trained k chose for the prompt, ids
    [layers, tokens, trained k]; `extra` by pair of columns; `alone`, the seconds per token of each
    policy by its text form, one a run, when timed alone. `ended` is set when the writing has ended.
    """

    prompt: Text
    model: str
    digest: str
    geometry: Geometry
    bytes_per_value: int
    settings: Settings
    columns: list[Column]
    seconds: float = 0.0
    error: str | None = None
    bandwidth: Bandwidth | None = None
    file: str = ""
    trained: list[NDArray[np.float64]] = field(default_factory=list)
    qualities: list[PromptQuality] = field(default_factory=list)
    routed: ExpertIds | None = None
    extra: dict[Pair, ExtraExperts] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self, step: Step) -> None:
        """Add one decoding step to all columns."""
        self.seconds = step.seconds
        for column, row in zip(self.columns, step.rows, strict=True):
            column.take(row)

    def keep(self, generations: Sequence[Generation], *, cached: bool = False) -> None:
        """Take the records of the columns, in their order; none when no text was begun."""
        for column, generation in zip(self.columns, generations, strict=False):
            column.keep(generation, cached=cached)
            self.seconds = max(self.seconds, generation.seconds)

    def records(self) -> list[Generation]:
        """The engine's records by column; none while the texts are being written."""
        return [column.generation for column in self.columns if column.generation]

    @property
    def read_again(self) -> bool:
        """Whether every text has been scored under the trained k."""
        return len(self.trained) == len(self.columns)

    @property
    def measured(self) -> bool:
        """Whether texts and prompt have been measured in every column."""
        prompt = len(self.qualities) == len(self.columns) and self.routed is not None
        return self.read_again and prompt

    @property
    def written(self) -> int:
        """Tokens of the longest column."""
        return max(len(column.token_ids) for column in self.columns)

    @property
    def tokens_per_second(self) -> float:
        """The common speed of all columns, each of which gets a token in a step; 0 before that."""
        return self.written / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_step(self) -> int:
        """The bytes of weights that a step of all columns needs, in the mean over the steps so far.

        An expert is read once in a step, however many columns use it. There is a token.
        """
        layers = self.geometry.layers
        rows = [column.expert_ids(layers) for column in self.columns]
        used = experts_together(rows, self.geometry.experts).tolist()
        return bytes_per_token(self.geometry, used, self.bytes_per_value)

    @property
    def share_of_limit(self) -> float | None:
        """The share of the bandwidth that all columns together reached so far; None until known.

        None for texts of an opened file: another machine may have written them.
        """
        if self.file or self.bandwidth is None or not self.tokens_per_second:
            return None
        return self.bytes_per_step * self.tokens_per_second / self.bandwidth.bytes_per_second

    @property
    def progress(self) -> str:
        """How far the writing is, in words."""
        return texts.progress(
            self.written, self.settings.new_tokens, len(self.columns), self.seconds
        )

    def shared(self) -> int:
        """How many first tokens all columns have in common."""
        sequences = [column.token_ids for column in self.columns]
        place = first_difference(sequences)
        return len(sequences[0]) if place is None else place

    def rows(self) -> list[dict[str, Any]]:
        """The facts of each column, as they are shown and exported."""
        return [self._row(column) for column in self.columns]

    def _row(self, column: Column) -> dict[str, Any]:
        count = len(column.token_ids)
        active = active_parameters(self.geometry, column.experts_used(self.geometry.layers))
        return {
            "k": column.k,
            "weighting": column.policy.weighting,
            "tokens": count,
            "active_parameters": active,
            "share_of_parameters": round(active / total_parameters(self.geometry), 4),
            "mean_retained_mass": _retained_mass(column) if count else None,
            "mean_logprob": round(float(np.mean(column.logprobs)), 5) if count else None,
            "repetition_rate": round(repetition_rate(column.token_ids), 5),
            "shared_tokens": self.shared(),
            "finish": column.finish or "stopped",
            "text": column.text,
        }


def distinct_names(columns: Sequence[Column]) -> list[str]:
    """The names of the columns, numbered where two have the same."""
    names = [column.name for column in columns]
    return [
        name if names.count(name) == 1 else texts.numbered(at, name)
        for at, name in enumerate(names, start=1)
    ]


def reference(columns: Sequence[Column], chosen: int | None, trained_k: int) -> int:
    """The column that the others are compared with: the chosen one, or the trained k's."""
    if chosen is not None and chosen < len(columns):
        return chosen
    policies = [column.policy for column in columns]
    trained = RoutingPolicy(trained_k)
    return policies.index(trained) if trained in policies else 0


def _retained_mass(column: Column) -> float | None:
    """Mean over layers and generated tokens; None while there are none."""
    record = column.generation
    if record is None or not record.tokens:
        return None
    probabilities = routing.probabilities(record.router_logits)
    return round(float(routing.mass(probabilities, record.expert_ids).mean()), 5)
