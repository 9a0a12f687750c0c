"""The library's calls on a model that is in hand, for notebooks and scripts.

They compute in the calling thread, without a line and without a cache.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from olmoe_viz.engine import coalitions, inspecting, patching, rerouting, tracing
from olmoe_viz.engine import effects as measuring
from olmoe_viz.engine.generating import Generating
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.errors import GenerationError, InputError
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.patches import Patches, Routes
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import (
    ChatMessage,
    CoalitionRequest,
    Detail,
    EffectsRequest,
    GenerateRequest,
    InspectRequest,
    Patch,
    PatchRequest,
    RoutesRequest,
    Text,
    TraceRequest,
    text_or_ids,
)


def trace(
    model: Model,
    text: str | Iterable[int],
    policy: RoutingPolicy | None = None,
    detail: Detail = "routing",
    progress: OnProgress | None = None,
    chat_template: bool | None = None,
) -> Trace:
    """Run a text, or token ids, through the model once and record it.

    Without a policy the model routes as trained. Detail "routing" records what the routers said and
    chose, and norms; "full" adds the residual stream and what attention adds to it. A long text
    runs in parts; `progress` is called with the tokens done and their number before each part, and
    may raise to end the run. A text goes into the chat template of a model that was tuned on
    conversations, unless `chat_template` is False; True asks for the template of any model that has
    one. Raises InputError for a text or a policy that does not fit the model. Threads may trace on
    one model at the same time.
    """
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    request = TraceRequest(model.name, _text(model, text, chat_template), policy, detail)
    return tracing.trace(model, request, progress or _silent)


def stream(
    model: Model,
    prompt: str | Iterable[int],
    policies: Sequence[RoutingPolicy],
    max_new_tokens: int = 80,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    chat_template: bool | None = None,
) -> Generating:
    """Continue a prompt under each policy; iterate over the result to get one Step at a time.

    Greedy at temperature 0; otherwise every row draws with the same seed. A row's result does not
    depend on the other rows. `chat_template` is as in `trace`. Raises InputError at once for a
    prompt, a policy or a setting that does not fit; see `Generating` for what happens later.
    """
    request = GenerateRequest(
        model.name,
        _text(model, prompt, chat_template),
        tuple(policies),
        max_new_tokens,
        temperature,
        top_p,
        seed,
    )
    return Generating(model, request)


def compare(
    model: Model,
    prompt: str | Iterable[int],
    policies: Sequence[RoutingPolicy],
    max_new_tokens: int = 80,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    chat_template: bool | None = None,
) -> list[Generation]:
    """Continue a prompt under each policy and return one Generation for each, in their order.

    Arguments and InputError as in `stream`. Raises GenerationError when decoding breaks off; what
    was written until then is in its `generations`, with finish "error".
    """
    generating = stream(
        model, prompt, policies, max_new_tokens, temperature, top_p, seed, chat_template
    )
    for _ in generating:
        pass
    if generating.error is not None:
        raise GenerationError(generating.error, generating.generations())
    return list(generating.generations())


def inspect(
    model: Model, trace: Trace, layer: int, token: int, policies: Sequence[RoutingPolicy]
) -> Inspection:
    """Open one token in one layer of experts of a full trace, under each policy.

    Raises InputError for a trace without hidden states or of another model, and for a layer, a
    token or a policy that the trace or the model does not have.
    """
    request = InspectRequest(trace.request, layer, token, tuple(policies))
    return inspecting.inspect(model, request, trace)


def effects(
    model: Model,
    prompt: str | Iterable[int],
    cells: Iterable[tuple[int, int]],
    policy: RoutingPolicy | None = None,
    *,
    away: Literal["off", "route_around"] = "off",
    read: Literal["own", "last"] = "own",
    continuation: Iterable[int] = (),
    controls: bool = True,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Effects:
    """Measure what each chosen expert of some cells, (layer, token), does to the next token.

    Each is taken away in turn, and the prediction compared with the run's: at the cell's "own"
    token, or at the prompt's "last" with all tokens between recomputed. `EffectsRequest` says what
    the arguments mean, `Effects` what is measured. A text is read as it is, in no chat template.
    `progress` is called with the branches done and their number, and may raise to end the work.
    Raises InputError for what does not fit the model.
    """
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    run = TraceRequest(model.name, text_or_ids(prompt), policy)
    request = EffectsRequest(run, tuple(cells), away, read, tuple(continuation), controls, seed)
    return measuring.effects(model, request, progress or _silent)


def patch(
    model: Model,
    source: str | Iterable[int],
    target: str | Iterable[int],
    patches: Iterable[Patch],
    policy: RoutingPolicy | None = None,
    progress: OnProgress | None = None,
) -> Patches:
    """Put parts of the source's run into the target's, one patch at a time; read its last token.

    Both texts must have equally many tokens, and are read as they are. `progress` and InputError as
    in `effects`.
    """
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    clean, corrupt = (
        TraceRequest(model.name, text_or_ids(text), policy) for text in (source, target)
    )
    request = PatchRequest(clean, corrupt, tuple(patches))
    return patching.patch(model, request, progress or _silent)


def reroute(
    model: Model,
    prompt: str | Iterable[int],
    layer: int,
    token: int,
    count: int = 32,
    policy: RoutingPolicy | None = None,
    seed: int = 0,
) -> Routes:
    """Run one cell with other experts, drawn by the router's own probabilities; see `Routes`.

    The prompt is read as it is; InputError as in `effects`.
    """
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    run = TraceRequest(model.name, text_or_ids(prompt), policy)
    return rerouting.routes(model, RoutesRequest(run, layer, token, count, seed), _silent)


def coalition(
    model: Model,
    prompt: str | Iterable[int],
    token: int,
    policy: RoutingPolicy | None = None,
    *,
    most: int = 24,
    progress: OnProgress | None = None,
) -> Coalition:
    """Search greedily for experts of one token that flip the next one together; see `Coalition`.

    At most `most` of them are switched off. The prompt is read as it is; `progress` is called with
    the sets that were tried and how many they can be, and InputError is as in `effects`.
    """
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    run = TraceRequest(model.name, text_or_ids(prompt), policy)
    return coalitions.coalition(model, CoalitionRequest(run, token, most), progress or _silent)


def _text(model: Model, given: str | Iterable[int], chat_template: bool | None) -> Text:
    """Return what is read of a text: in the chat template where that is wanted or usual."""
    text = text_or_ids(given)
    if isinstance(text, str):
        wanted = model.chat if chat_template is None else chat_template
        return ChatMessage(text) if wanted else text
    if chat_template:
        raise InputError("Token ids are read as they are: a chat template is for a text.")
    return text


def _silent(done: int, total: int) -> None:
    """Tell nobody how far a run is."""
