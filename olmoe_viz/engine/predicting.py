"""From the residual stream to the next token: predictions, the logit lens, logit directions."""

import time

import numpy as np
import torch
from accelerate.utils import align_module_device  # type: ignore[import-untyped]
from torch import Tensor

from olmoe_viz.engine.inputs import check_place
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.residual import details_of, on_device, parts_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.errors import InputError
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import routing
from olmoe_viz.records.prediction import Lens, LogitDirections, Predictions
from olmoe_viz.records.record import Float32s, Float64s, Ids
from olmoe_viz.records.tokens import display_token
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import DirectionsRequest, LensRequest, PredictRequest

_ROWS = 4096  # of the head that are summed at a time


def predict(model: Model, request: PredictRequest, run: Trace) -> Predictions:
    """Return what the model expects after each token: final norm, head, softmax.

    Takes 20 * vocab bytes for each token. Raises InputError for a run with other weights, and for
    a token that it does not have.
    """
    start = time.perf_counter()
    states, _ = details_of(model, run)
    for token in request.tokens:
        check_place("token", token, len(run.tokens))
    logits = _logits(model, states[-1, list(request.tokens)])
    probabilities = routing.probabilities(logits)
    ids = np.stack([_leaders(row, request.top) for row in probabilities])
    return Predictions(
        request=request,
        top_tokens=tuple(_texts(model, row) for row in ids),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        top_ids=ids,
        probabilities=np.take_along_axis(probabilities, ids, axis=-1),
        entropies=routing.entropy(probabilities),
        log_sum_exp=np.logaddexp.reduce(logits.astype(np.float64), axis=-1),
        logits=logits if request.detail == "logits" else None,
    )


def lens(model: Model, request: LensRequest, run: Trace) -> Lens:
    """Read the residual stream of a token at every depth through the final norm and head.

    The logit lens (nostalgebraist, 2020, "interpreting GPT: the logit lens"). Early layers were
    not trained to be read this way, so their rows say less. Takes 20 * (blocks + 1) * vocab bytes;
    errors as in `predict`.
    """
    start = time.perf_counter()
    states, _ = details_of(model, run)
    check_place("token", request.token, len(run.tokens))
    probabilities = routing.probabilities(_logits(model, states[:, request.token]))
    winner = int(probabilities[-1].argmax())
    share = probabilities[:, winner, None]
    ahead = (probabilities > share).sum(axis=-1) + (probabilities[:, :winner] == share).sum(axis=-1)
    ids = np.stack([_leaders(row, request.top) for row in probabilities])
    return Lens(
        request=request,
        tokens=tuple(_texts(model, row) for row in ids),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        ids=ids,
        probabilities=np.take_along_axis(probabilities, ids, axis=-1),
        winner_probability=np.ascontiguousarray(probabilities[:, winner]),
        winner_rank=ahead.astype(np.int64) + 1,
    )


@torch.inference_mode()
def directions(model: Model, request: DirectionsRequest, run: Trace) -> LogitDirections:
    """Return, for each token id, the vector whose product with an addition is its contribution.

    That is the head's row of the token times the final norm's weight, divided by the root mean
    square of the residual stream that leaves the last block; and the mean of these over the
    vocabulary. Errors as in `predict`, and InputError for a token id outside the vocabulary.
    """
    start = time.perf_counter()
    states, _ = details_of(model, run)
    check_place("token", request.token, len(run.tokens))
    ids = list(request.token_ids)
    if min(ids) < 0 or max(ids) >= model.geometry.vocab:
        raise InputError(f"Token ids must be from 0 to {model.geometry.vocab - 1:,}.")
    parts = parts_of(model)
    with align_module_device(parts.norm), align_module_device(parts.head):
        rows: Float64s = parts.head.weight[ids].double().cpu().numpy()  # type: ignore[index]
        mean: Float64s = _mean(parts.head).cpu().numpy()
        gains: Float64s = parts.norm.weight.double().cpu().numpy()  # type: ignore[operator]
    mean_square = np.square(states[-1, request.token].astype(np.float64)).mean()
    scale = np.sqrt(mean_square + parts.blocks[-1].epsilon)
    return LogitDirections(
        request=request,
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        directions=np.asarray(rows * gains / scale),
        mean=np.asarray(mean * gains / scale),
    )


def _mean(head: torch.nn.Module) -> Tensor:
    """Return the mean row in float64, some rows at a time, since a head has a great many."""
    weight: Tensor = head.weight  # type: ignore[assignment]
    parts = torch.split(weight, _ROWS)
    return torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(weight)


@torch.inference_mode()
def _logits(model: Model, states: Float32s) -> Float32s:
    hidden = on_device(model, states, model.device)
    scores: Float32s = runner_of(model).readout(hidden).cpu().numpy()
    return scores


def _leaders(probabilities: Float64s, top: int) -> Ids:
    """Return the first `top` of `routing.ranking` of a row, without sorting a whole vocabulary."""
    count = min(top, len(probabilities))
    least = np.partition(probabilities, -count)[-count]
    candidates = np.flatnonzero(probabilities >= least)
    return candidates[routing.ranking(probabilities[candidates])][:count].astype(np.int64)


def _texts(model: Model, ids: Ids) -> tuple[str, ...]:
    return tuple(display_token(model.token_bytes.of(int(token))) for token in ids)
