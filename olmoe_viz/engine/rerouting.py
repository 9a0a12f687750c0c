"""Other routes of equal cost through one layer, and what the model would predict with them."""

import time

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.branches import Ends, Trunk, check_cell
from olmoe_viz.engine.differences import changes, difference, logprob
from olmoe_viz.engine.forks import Fork, Variant
from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.taps import Arrays, fitted
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.records.patches import Routes
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import RoutesRequest


def routes(model: Model, request: RoutesRequest, on_progress: OnProgress) -> Routes:
    """Run one cell with sets of experts drawn by the router's own probabilities.

    A set is what "keep_only" leaves to choose: its experts weigh what the router gives them.
    Raises InputError for a text, a policy or a cell that does not fit the model, and for a model
    whose parts cannot be changed.
    """
    start, run = time.perf_counter(), request.run
    check_policies(model, [run.policy])
    ids = encode(model, run.text)
    check_cell(model, request.layer, request.token, len(ids))
    trunk = Trunk(model, ids, run.policy, on_progress)
    number = model.geometry.layer_ids.index(request.layer)
    ran = trunk.expert_ids[number, request.token]
    logits = trunk.router_logits[number, request.token]
    drawn = _drawn(logits, int((ran >= 0).sum()), request.count, request.seed)
    layers = (request.layer,)
    variants = (Variant((Intervention("keep_only", layers, tuple(each)),)) for each in drawn)
    fork = Fork(request.layer, request.token, request.token + 1, tuple(variants))
    following = ids[request.token + 1] if request.token + 1 < len(ids) else None
    parts = []
    for ends in trunk.grow([fork], 1, on_progress):
        plain = ends.plain[0]
        parts.append(_measured(ends, plain, following))
    top, columns = int(plain.argmax()), width(run.policy, model.geometry)
    own = {"expert_ids": ran[None], "weights": trunk.weights[number, None, request.token]}
    own = fitted(own, columns)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Routes(
        request=request,
        top_id=top,
        top_token=display_token(model.token_bytes.of(top)),
        top_logprob=logprob(plain, top),
        next_id=following,
        next_logprob=None if following is None else logprob(plain, following),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start, trunk.runner),
        ran_ids=own["expert_ids"][0],
        ran_weights=own["weights"][0],
        **fitted(whole, columns),
    )


def _measured(ends: Ends, plain: Tensor, following: int | None) -> Arrays:
    """Return the arrays of some routes."""
    found = ends.found[:, 0]
    away = difference(plain, found)
    none = np.zeros(len(found))
    return {
        "expert_ids": ends.expert_ids,
        "weights": ends.weights,
        "kl": away.kl,
        "logprob_changes": changes(plain, found, away, int(plain.argmax())),
        "next_changes": none if following is None else changes(plain, found, away, following),
        "new_tops": away.tops,
    }


def _drawn(logits: NDArray[np.float32], k: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return sets of `k` ids [count, k]: the k largest of logits with Gumbel noise."""
    noise = np.random.default_rng(seed).gumbel(size=(count, len(logits)))
    return np.sort(np.argsort(-(logits + noise), axis=-1)[:, :k], axis=-1)
