"""From the residual stream to the next token: predictions, the logit lens, and what pushes them."""

from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import align_module_device  # type: ignore[import-untyped]
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from olmoe_viz.numerics import routing
from olmoe_viz.analysis.inspection import Inspection
from olmoe_viz.analysis.recorded import check_token, on_device, residual_stream
from olmoe_viz.engine.forward import logits
from olmoe_viz.engine.inputs import InputError
from olmoe_viz.engine.text import TokenBytes
from olmoe_viz.models.load import Model
from olmoe_viz.trace import Trace, display_token

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model expects after one token.

    `logits` is float32 [vocab] and `log_sum_exp` their logarithm of summed powers. `top_ids` is
    int64 [top] by falling probability, `top_tokens` their visible text and `probabilities` float64
    [top], from the softmax over the whole vocabulary. `entropy` is in nats, over all of it.
    """

    token: int
    logits: Float32s
    log_sum_exp: float
    top_ids: Ids
    top_tokens: tuple[str, ...]
    probabilities: Float64s
    entropy: float


@dataclass(frozen=True, eq=False)
class Lens:
    """The next token as each depth of the model would already say it.

    Row 0 is the embedding, row l the residual stream after block l - 1, the last row the model's
    own prediction. `ids` is int64 [layers + 1, top], `tokens` their visible text and
    `probabilities` float64 [layers + 1, top]. `winner_probability` float64 [layers + 1] and
    `winner_rank` int64 [layers + 1], 1 for the first, follow the token that wins in the end.
    """

    ids: Ids
    tokens: tuple[tuple[str, ...], ...]
    probabilities: Float64s
    winner_probability: Float64s
    winner_rank: Ids


def predict(model: Model, trace: Trace, token: int, top: int = 10) -> Prediction:
    """Return what the model expects after `token`: final norm, lm_head, softmax.

    Takes 4 * vocab bytes. Raises InputError for a trace without hidden states or of another model,
    and for a token that it does not have.
    """
    states = residual_stream(model, trace)
    check_token(trace, token)
    scores = _scores(model, states[-1, token])
    probabilities = routing.probabilities(scores)
    ids = _leaders(probabilities, top)
    return Prediction(
        token=token,
        logits=scores,
        log_sum_exp=float(np.logaddexp.reduce(scores.astype(np.float64))),
        top_ids=ids,
        top_tokens=_texts(TokenBytes(model.tokenizer), ids),
        probabilities=probabilities[ids],
        entropy=float(routing.entropy(probabilities)),
    )


def kl_divergence(p_logits: ArrayLike, q_logits: ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of q from p in nats, from two [vocab] of logits.

    0 when both say the same; p is the reference, whose probabilities weigh the difference.
    """
    p, q = _log_softmax(p_logits), _log_softmax(q_logits)
    return max(float((np.exp(p) * (p - q)).sum()), 0.0)


def logit_lens(model: Model, trace: Trace, token: int, top: int = 5) -> Lens:
    """Read the residual stream of `token` at every depth through the final norm and lm_head.

    The logit lens (nostalgebraist, 2020, "interpreting GPT: the logit lens"). Early layers were
    not trained to be read this way, so their rows say less. Takes 20 * (layers + 1) * vocab bytes;
    errors as in `predict`.
    """
    states = residual_stream(model, trace)
    check_token(trace, token)
    probabilities = routing.probabilities(_scores(model, states[:, token]))
    winner = int(probabilities[-1].argmax())
    share = probabilities[:, winner, None]
    ahead = (probabilities > share).sum(axis=-1) + (probabilities[:, :winner] == share).sum(axis=-1)
    ids = np.stack([_leaders(row, top) for row in probabilities])
    table = TokenBytes(model.tokenizer)
    return Lens(
        ids=ids,
        tokens=tuple(_texts(table, row) for row in ids),
        probabilities=np.take_along_axis(probabilities, ids, axis=-1),
        winner_probability=probabilities[:, winner],
        winner_rank=ahead.astype(np.int64) + 1,
    )


def _leaders(probabilities: Float64s, top: int) -> Ids:
    """The first `top` of `routing.ranking` of one row, without sorting a whole vocabulary."""
    count = min(top, len(probabilities))
    least = np.partition(probabilities, -count)[-count]
    candidates = np.flatnonzero(probabilities >= least)
    return candidates[routing.ranking(probabilities[candidates])][:count]


def expert_pushes(
    model: Model, trace: Trace, inspection: Inspection, policy_index: int, token_id: int
) -> Float64s:
    """Return how much each expert of an inspection pushes the logit of `token_id`, float64 [n].

    The direct contribution: weight * output through the final norm and the token's row of lm_head.
    An approximation: the norm's scale is kept as it is at the end of the trace, and what later
    layers make of the output is left out (direct logit attribution, Elhage et al. 2021, "A
    Mathematical Framework for Transformer Circuits"). Under this rule the pushes of everything
    that was added to the residual stream, the embedding included, sum to the logit. Raises
    InputError as in `predict`, and for a token id that is not in the vocabulary.
    """
    direction = logit_direction(model, trace, inspection.token, token_id)
    pushes = inspection.outputs.astype(np.float64) @ direction
    return np.asarray(inspection.weights[policy_index] * pushes)


@torch.inference_mode()
def logit_direction(model: Model, trace: Trace, token: int, token_id: int) -> Float64s:
    """Return the vector, float64 [hidden], whose product with an addition is its direct push.

    That is lm_head's row of `token_id` times the final norm's weight, divided by the root mean
    square of the residual stream that leaves the last block at `token`. Errors as `expert_pushes`.
    """
    states = residual_stream(model, trace)
    check_token(trace, token)
    if not 0 <= token_id < model.geometry.vocab:
        raise InputError(f"Token ids must be from 0 to {model.geometry.vocab - 1:,}.")
    norm, head = model.module.model.norm, model.module.lm_head
    with align_module_device(norm), align_module_device(head):
        row = _doubles(head.weight[token_id])
        gains = _doubles(norm.weight)
    mean_square = np.square(states[-1, token].astype(np.float64)).mean()
    return np.asarray(row * gains / np.sqrt(mean_square + norm.variance_epsilon))


@torch.inference_mode()
def _scores(model: Model, states: Float32s) -> Float32s:
    hidden = on_device(model, states, model.device)
    scores: Float32s = logits(model.module, hidden).cpu().numpy()
    return scores


def _texts(table: TokenBytes, ids: Ids) -> tuple[str, ...]:
    return tuple(display_token(table.of(int(token))) for token in ids)


def _log_softmax(scores: ArrayLike) -> Float64s:
    values = np.array(scores, dtype=np.float64)
    values -= values.max(axis=-1, keepdims=True)
    return np.asarray(values - np.log(np.exp(values).sum(axis=-1, keepdims=True)))


def _doubles(values: Tensor) -> Float64s:
    array: Float64s = values.double().cpu().numpy()
    return array
