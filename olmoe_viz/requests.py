"""What can be asked of an engine.

Requests are frozen and hashable and have a JSON form; they name the model and never hold one. A
request for details of a run names that run's request, not its arrays. Whether a request fits the
model is the engine's to check; here it is only checked that its parts fit each other.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from olmoe_viz import json_form
from olmoe_viz.errors import InputError
from olmoe_viz.policy import RoutingPolicy

Detail = Literal["routing", "full"]


@dataclass(frozen=True)
class ChatMessage:
    """What a person says to a model: read in the model's chat template, not as it is."""

    content: str


Text = str | tuple[int, ...] | ChatMessage  # a text, the token ids of one, or a message


@dataclass(frozen=True)
class TraceRequest:
    """One pass over a text, recorded; answered by a Trace.

    Detail "routing" records what the routers said and chose, and norms; "full" adds the residual
    stream and what attention adds to it.
    """

    model: str
    text: Text
    policy: RoutingPolicy
    detail: Detail = "routing"

    def __post_init__(self) -> None:
        if self.detail not in get_args(Detail):
            raise InputError(f'detail must be "routing" or "full"; it is {self.detail!r}.')


@dataclass(frozen=True)
class GenerateRequest:
    """One continuation of a prompt under each policy; answered by a tuple of Generations.

    Greedy at temperature 0, else drawn from the `top_p` nucleus; every row draws with the same
    seed. The steps of the ticket are `records.generation.Step`.
    """

    model: str
    prompt: Text
    policies: tuple[RoutingPolicy, ...]
    max_new_tokens: int = 80
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_policies(self.policies)
        if self.max_new_tokens < 1:
            raise InputError(f"Generate at least 1 token; it is {self.max_new_tokens}.")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"The temperature must be 0 or more; it is {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be above 0 and at most 1; it is {self.top_p}.")
        _check_seed(self.seed)


@dataclass(frozen=True)
class _RunRequest:
    """Of what is measured in a run."""

    run: TraceRequest

    @property
    def model(self) -> str:
        """The model of the run."""
        return self.run.model


@dataclass(frozen=True)
class _DetailRequest(_RunRequest):
    """Of a run whose residual stream is recorded."""

    def __post_init__(self) -> None:
        if self.run.detail != "full":
            raise InputError('Ask for details of a run with detail="full".')


@dataclass(frozen=True)
class InspectRequest(_DetailRequest):
    """One token in one layer of experts, opened under several policies; answered by an Inspection.

    `layer` counts all blocks from 0. The routing changes in this layer alone ("same input"); to see
    a policy that rerouted the earlier layers too ("as run"), name a run under it.
    """

    layer: int
    token: int
    policies: tuple[RoutingPolicy, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_policies(self.policies)


@dataclass(frozen=True)
class AttentionRequest(_DetailRequest):
    """Where the tokens from `first` up to before `stop` look in one layer; answered by Attention.

    Columns before `seen_from` are left out, and those from `stop` on, which no row can see.
    """

    layer: int
    first: int
    stop: int
    seen_from: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seen_from < self.stop or not 0 <= self.first < self.stop:
            raise InputError(
                f"Rows {self.first} to {self.stop} and columns from {self.seen_from} do not fit."
            )


@dataclass(frozen=True)
class PredictRequest(_DetailRequest):
    """What the model expects after each of the tokens; answered by Predictions.

    `top` of the likeliest are listed. Detail "logits" adds those of the whole vocabulary.
    """

    tokens: tuple[int, ...]
    top: int = 10
    detail: Literal["top", "logits"] = "top"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tokens or self.top < 1:
            raise InputError("Ask for at least 1 token and 1 of the likeliest after it.")
        if self.detail not in ("top", "logits"):
            raise InputError(f'detail must be "top" or "logits"; it is {self.detail!r}.')


@dataclass(frozen=True)
class LensRequest(_DetailRequest):
    """The prediction after one token as each depth would already make it; answered by a Lens."""

    token: int
    top: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top < 1:
            raise InputError("Ask for at least 1 of the likeliest tokens.")


@dataclass(frozen=True)
class DirectionsRequest(_DetailRequest):
    """How additions at a token move the logits of `token_ids`; answered by LogitDirections."""

    token: int
    token_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.token_ids:
            raise InputError("Name at least 1 token id.")


@dataclass(frozen=True)
class EffectsRequest(_RunRequest):
    """What each chosen expert of some cells does to the next token; answered by Effects.

    `cells` are (layer, token), the layer counted over all blocks. Each expert of a cell of the run
    is taken away in turn, as an intervention of that name does, under the policy's rule for lost
    mass. The next token is read at the cell's "own" position, or at the text's "last" with all
    positions between recomputed. A `continuation` of token ids is measured besides: one token after
    the position that is read, or several after the last. Random controls are drawn by `seed`.
    """

    cells: tuple[tuple[int, int], ...]
    away: Literal["off", "route_around"] = "off"
    read: Literal["own", "last"] = "own"
    continuation: tuple[int, ...] = ()
    controls: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cells:
            raise InputError("Name at least one cell, a layer and a token.")
        if self.away not in ("off", "route_around") or self.read not in ("own", "last"):
            raise InputError('An expert is "off" or "route_around"; read at its "own" or "last".')
        if len(self.continuation) > 1 and self.read != "last":
            raise InputError('A continuation of several tokens follows the text: read at "last".')
        _check_seed(self.seed)


Part = Literal["experts", "attention", "hidden"]


@dataclass(frozen=True)
class Patch:
    """What is taken from another run: at some tokens, what one layer computed.

    `part` is what the experts add ("experts"), what the attention adds ("attention"), or the
    residual stream that enters the block ("hidden"). With an `expert`, only its share of what the
    experts add is exchanged. The layer is counted over all blocks.
    """

    layer: int
    tokens: tuple[int, ...]
    part: Part = "experts"
    expert: int | None = None

    def __post_init__(self) -> None:
        if not self.tokens or self.part not in get_args(Part):
            raise InputError(f"A patch has tokens, and is of {', '.join(get_args(Part))}.")
        if self.expert is not None and self.part != "experts":
            raise InputError("Only what experts add is a sum over experts.")


@dataclass(frozen=True)
class PatchRequest:
    """How much of one run each patch brings into another; answered by Patches.

    `source` is the run that values are taken from (clean), `target` the one that they are put into
    (corrupt): of equally many tokens. Each patch is measured alone, at the last token.
    """

    source: TraceRequest
    target: TraceRequest
    patches: tuple[Patch, ...]

    def __post_init__(self) -> None:
        if self.source.model != self.target.model:
            raise InputError("Both runs must be of one model.")
        if not self.patches:
            raise InputError("Name at least one patch.")

    @property
    def model(self) -> str:
        """The model of both runs."""
        return self.target.model


@dataclass(frozen=True)
class RoutesRequest(_RunRequest):
    """What other routes of equal cost would predict; answered by Routes.

    In one cell of the run, `count` sets of as many experts as ran are drawn without replacement by
    the router's own probabilities (Gumbel top-k: Kool et al. 2019, arXiv 1903.06059).
    """

    layer: int
    token: int
    count: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 1024:
            raise InputError(f"Draw 1 to 1,024 routes; not {self.count}.")
        _check_seed(self.seed)


@dataclass(frozen=True)
class CoalitionRequest(_RunRequest):
    """Which experts of one token flip the next one together; answered by a Coalition.

    Of all experts that run for the token the greedy search switches off one after the other, at
    most `most`, under the policy's rule for lost mass.
    """

    token: int
    most: int = 24

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError("Switch off at least 1 expert.")


@dataclass(frozen=True)
class ScoreRequest:
    """How probable a given text is under each policy; answered by Scores.

    With a `reference` also how far each policy is from it, at every position.
    """

    model: str
    text: Text
    policies: tuple[RoutingPolicy, ...]
    reference: RoutingPolicy | None = None

    def __post_init__(self) -> None:
        _check_policies(self.policies)


@dataclass(frozen=True)
class TimeRequest:
    """How long one row takes alone; answered by a Timing, never from a cache.

    Times `runs` runs after one that is not counted: of writing `new_tokens` tokens greedily, or of
    reading the text where `new_tokens` is 0. The steps of the ticket are the seconds of each run.
    """

    model: str
    text: Text
    policy: RoutingPolicy
    new_tokens: int = 0
    runs: int = 3

    def __post_init__(self) -> None:
        if self.runs < 1 or self.new_tokens < 0:
            raise InputError("There must be at least 1 run, and 0 new tokens or more.")


@dataclass(frozen=True)
class BandwidthRequest:
    """How fast memory is copied where the model is; answered by a Bandwidth, never from a cache."""

    model: str


@dataclass(frozen=True)
class ModelRequest:
    """Load the model if it is not there, and say what it is; answered by ModelFacts."""

    model: str


Request = (
    TraceRequest
    | GenerateRequest
    | InspectRequest
    | AttentionRequest
    | PredictRequest
    | LensRequest
    | DirectionsRequest
    | EffectsRequest
    | PatchRequest
    | RoutesRequest
    | CoalitionRequest
    | ScoreRequest
    | TimeRequest
    | BandwidthRequest
    | ModelRequest
)
_KINDS: dict[str, type[Request]] = {
    kind.__name__.removesuffix("Request").lower(): kind for kind in get_args(Request)
}


def to_json(request: Request) -> str:
    """Return the JSON form of a request: an object with its fields, and its kind in "request"."""
    kind = type(request).__name__.removesuffix("Request").lower()
    return json.dumps({"request": kind} | json_form.encode(request), allow_nan=False)


def from_json(text: str) -> Request:
    """Read what `to_json` writes; InputError for anything else."""
    try:
        values = json.loads(text)
        name = values.pop("request", None) if isinstance(values, dict) else None
        if not isinstance(name, str) or name not in _KINDS:
            raise ValueError("it does not say what is asked")
        request: Request = json_form.decode(_KINDS[name], values)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"This is not a request: {str(error)[:200].rstrip('.')}.") from None
    return request


def text_or_ids(text: Text | Iterable[int]) -> Text:
    """Return a text or a message as it is, ids as a tuple; InputError for anything else."""
    if isinstance(text, str | ChatMessage):
        return text
    try:
        return tuple(int(token) for token in text)
    except (TypeError, ValueError):
        raise InputError(f"A text or token ids are needed, not {type(text).__name__}.") from None


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise InputError(f"The seed must be from 0 to 2^63 - 1; it is {seed}.")


def _check_policies(policies: tuple[RoutingPolicy, ...]) -> None:
    if not policies:
        raise InputError("Choose at least one policy.")
