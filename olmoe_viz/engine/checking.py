"""Is this the model that it is taken for, and does our pass give what transformers' gives?

Answers that are known from elsewhere are compared where there are any; agreement with transformers
on the same weights is asked of every model.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from olmoe_viz.engine import predicting, stock, tracing
from olmoe_viz.engine.generating import Generating
from olmoe_viz.engine.inputs import encode
from olmoe_viz.engine.known_answers import (
    NOTHING,
    KnownAnswers,
    KnownIds,
    KnownLogits,
    KnownText,
    known_answers,
)
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.errors import EngineError, InputError
from olmoe_viz.models.catalogue import find
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import routing
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.checks import Check, CheckReport, Figure
from olmoe_viz.records.record import Float32s
from olmoe_viz.requests import GenerateRequest, PredictRequest, TraceRequest

LARGER_K = 16
PROMPTS = (
    "Once upon a time there was a little robot who",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Let $x^2 + y^2 = 1$. Then",
    "Il était une fois une petite fille qui",
)
_STOCK = "transformers on the same weights"
# Of float32: what is within it is rounding, in other orders of the same sums.
_ROUNDING = 1e-4
_TIE = 1e-5

Result = tuple[str, tuple[Figure, ...]]  # why it failed, empty where it passed, and figures
Planned = tuple[str, str, Callable[[], Result]]  # what, whose answer it is compared with, the check


class _NotCheckedError(Exception):
    """Something is in the way of a check; the text says what."""


def check(
    model: Model,
    progress: Callable[[str], None] | None = None,
    known_as: str | None = None,
) -> CheckReport:
    """Compare a model with known answers, and our pass with transformers' own.

    The answers are those of the model's name and revision, if any are known, or of the model that
    `known_as` names: weights in a folder have no name of their own. `progress` is told what is
    checked next. Nothing on the model changes, and nobody else who uses it sees anything of it.
    What cannot be checked is in the report with the reason. Raises InputError for a name of which
    nothing is known.
    """
    began = time.perf_counter()
    made = []
    for what, source, once in _all(model, _known(model, known_as)):
        if progress is not None:
            progress(what)
        made.append(_made(what, source, once))
    return CheckReport(tuple(made), provenance(model, time.perf_counter() - began))


def _known(model: Model, known_as: str | None) -> KnownAnswers:
    """Return what is known of a model at its revision, or of another one by its name."""
    answers = {each.model: each for each in known_answers()}
    if known_as is not None:
        if known_as not in answers:
            names = ", ".join(answers)
            raise InputError(f"Nothing is known of {known_as}. Answers are known of {names}.")
        return answers[known_as]
    entry = find(model.name)
    known = answers.get(model.name if entry is None else (entry.hub_id or entry.name), NOTHING)
    return known if known.revision == model.revision else NOTHING


def _all(model: Model, known: KnownAnswers) -> list[Planned]:
    """Return every check that is made of a model, in order."""
    trained = model.geometry.trained_k
    texts: list[Planned] = [
        (f"greedy text after {text.prompt!r}", text.source, partial(_text, model, text))
        for text in known.texts
    ]
    return [
        ("token ids", known.ids_source, partial(_ids, model, known.ids)),
        (
            "logits of a fixed input",
            known.logits.source if known.logits else "",
            partial(_logits, model, known.logits),
        ),
        *(texts or [("greedy text", "", _no_text)]),
        *(
            (f"routing and logits at k = {k}", _STOCK, partial(_agreement, model, k))
            for k in dict.fromkeys((trained, LARGER_K))
        ),
    ]


def _made(what: str, source: str, once: Callable[[], Result]) -> Check:
    try:
        reason, figures = once()
    except _NotCheckedError as error:
        return Check(what, source, "not checked", str(error))
    except InputError as error:  # known tokens that the model cannot read
        return Check(what, source, "failed", str(error))
    except (RuntimeError, MemoryError, ValueError) as error:
        if out_of_memory(error):
            return Check(what, source, "not checked", "The memory ran out.")
        first = str(error).partition("\n")[0]
        return Check(what, source, "failed", f"The model stopped: {first}")
    shown = tuple(each for each in figures if np.isfinite(each.value))
    return Check(what, source, "failed" if reason else "passed", reason, shown)


def _ids(model: Model, known: Sequence[KnownIds]) -> Result:
    if not known:
        raise _NotCheckedError("No token ids are known for this model.")
    backend = model.tokenizer.backend_tokenizer
    found = [tuple(backend.encode(each.text).ids) for each in known]
    wrong = [(each, ids) for each, ids in zip(known, found, strict=True) if ids != each.ids]
    reason = ""
    if wrong:
        (first, ids), *_ = wrong
        reason = f"{first.text!r} gives {list(ids)}, not {list(first.ids)}."
    figures = (
        Figure("texts", len(known)),
        Figure("texts with other ids", len(wrong), 0),
    )
    return reason, figures


def _logits(model: Model, known: KnownLogits | None) -> Result:
    if known is None:
        raise _NotCheckedError("No logits are known for this model.")
    found = _reference(model, known.ids, model.geometry.trained_k).logits
    means = np.abs(found.mean(axis=1, dtype=np.float64) - known.means).max()
    first = np.abs(found[0, : len(known.first)] - known.first).max()
    figures = (
        Figure("largest difference of a position's mean", means, known.tolerance),
        Figure("largest difference of a logit", first, known.tolerance),
    )
    return _beyond(figures), figures


def _no_text() -> Result:
    raise _NotCheckedError("No continuations are known for this model.")


def _text(model: Model, known: KnownText) -> Result:
    """Write the text, and read it: each of its tokens must be the likeliest but for rounding."""
    written = _written(model, known)
    place = _first_difference(written, known.ids)
    figures: list[Figure] = [
        Figure("tokens", len(known.ids)),
        Figure("first tokens written as known", place),
    ]
    if place == len(known.ids) and not stock.can_run(model):
        return "", tuple(figures)
    prompt = model.tokenizer.backend_tokenizer.encode(known.prompt).ids
    ids, first = [*prompt, *known.ids], len(prompt) - 1
    scores = _reference(model, ids, model.geometry.trained_k).logits[first:-1]
    limit = known.tolerance + _rounding(model, ids, first, scores)
    leads = scores.max(axis=1) - scores[np.arange(len(known.ids)), list(known.ids)]
    figures.append(Figure("most that a known token is behind the likeliest", leads.max(), limit))
    if place < len(known.ids):
        if place == len(written):
            return f"The text ended after {place} tokens.", tuple(figures)
        lead = scores[place].max() - scores[place, written[place]]
        figures.append(Figure("how far the first other token is behind it", lead, limit))
    return _beyond(figures), tuple(figures)


def _written(model: Model, known: KnownText) -> list[int]:
    """Return the ids that the engine writes after the prompt, as a page does."""
    policies = (RoutingPolicy(model.geometry.trained_k),)
    request = GenerateRequest(model.name, known.prompt, policies, len(known.ids))
    with Generating(model, request) as generating:
        for _ in generating:
            pass
    if generating.error is not None:
        raise EngineError(generating.error)
    ids: list[int] = generating.generations()[0].token_ids.tolist()
    return ids


def _first_difference(written: Sequence[int], known: Sequence[int]) -> int:
    pairs = enumerate(zip(written, known, strict=False))
    shorter = min(len(written), len(known))
    return next((place for place, (one, other) in pairs if one != other), shorter)


def _reference(model: Model, ids: Sequence[int], k: int) -> stock.StockRun:
    """Run transformers in float32; InputError for ids that the model cannot read."""
    encode(model, tuple(ids))
    if not stock.can_run(model):
        raise _NotCheckedError(
            "The weights lie on several devices, where transformers cannot run them in float32."
        )
    return stock.run(model, ids, k, float32=True)


def _rounding(model: Model, ids: Sequence[int], first: int, scores: Float32s) -> float:
    """Return how far two logits can be apart by the rounding of the model's dtype: 0 in float32.

    Six times the root mean square of what it does to one; the difference of two spreads by 1.4 of
    it.
    """
    if model.dtype == torch.float32:
        return 0.0
    own = stock.run(model, ids, model.geometry.trained_k).logits[first:-1]
    return 6 * _size(own - scores)


def _agreement(model: Model, k: int) -> Result:
    """Compare our pass with transformers' in float32; in other dtypes allow twice its own error."""
    if k > model.geometry.experts:
        raise _NotCheckedError(f"Each layer has {model.geometry.experts} experts.")
    if "details" not in model.capabilities:
        raise _NotCheckedError("Its router follows a rule that is not known here.")
    compared = [found for prompt in PROMPTS if (found := _compared(model, prompt, k)) is not None]
    if not compared:
        raise _NotCheckedError(
            "In every prompt two experts tie at the cutoff, where rounding chooses between them."
        )
    figures = [
        Figure("prompts", len(compared)),
        Figure("prompts left out for a tie at the cutoff", len(PROMPTS) - len(compared)),
    ]
    for name in ("router_logits", "logits"):
        reference, own, ours = (
            np.concatenate([getattr(run, name).ravel() for run in runs])
            for runs in zip(*compared, strict=True)
        )
        limit = _ROUNDING * _size(reference) + 2 * _size(own - reference)
        words = f"{name.replace('_', ' ')}: distance from float32, root mean square"
        figures.append(Figure(words, _size(ours - reference), limit))
    return _beyond(figures), tuple(figures)


def _compared(model: Model, prompt: str, k: int) -> tuple[stock.StockRun, ...] | None:
    """Return a prompt's run by transformers in float32, by it in the model's dtype, and by us.

    None where float32 cannot tell which experts run.
    """
    ids = model.tokenizer.backend_tokenizer.encode(prompt).ids[: model.geometry.context]
    reference = own = _reference(model, ids, k)
    if model.dtype != torch.float32:
        own = stock.run(model, ids, k)
    elif _ties(reference.router_logits, k):
        return None
    return reference, own, _ours(model, ids, k)


def _ties(router_logits: Float32s, k: int) -> bool:
    """Whether the last expert that runs is ahead of the next by no more than rounding."""
    if k == router_logits.shape[-1]:
        return False
    falling = -np.sort(-routing.probabilities(router_logits), axis=-1)
    return bool((falling[..., k - 1] - falling[..., k] <= _TIE * falling[..., k]).any())


def _ours(model: Model, ids: Sequence[int], k: int) -> stock.StockRun:
    request = TraceRequest(model.name, tuple(ids), RoutingPolicy(k), "full")
    trace = tracing.trace(model, request, lambda *_: None)
    everywhere = PredictRequest(request, tuple(range(len(ids))), 1, "logits")
    logits = predicting.predict(model, everywhere, trace).logits
    assert logits is not None  # noqa: S101 - what the detail "logits" asks for
    return stock.StockRun(logits, trace.router_logits)


def _size(values: Float32s) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _beyond(figures: Sequence[Figure]) -> str:
    """Say which figure is first above its limit; nothing where none is."""
    return next(
        (
            f"The {each.name} is {each.value:.3g}; at most {each.limit:.3g} is right."
            for each in figures
            if each.limit is not None and not each.value <= each.limit
        ),
        "",
    )
