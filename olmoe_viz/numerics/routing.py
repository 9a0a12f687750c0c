"""Numbers about routing, computed from router logits in float64.

Pure functions over numpy arrays; knows nothing about models, tokens or pictures. Arrays are
ordered [layers, tokens, experts] wherever all three appear. "Router probabilities" are the softmax
over all experts (arXiv 2409.02060, section 2), of which OLMoE uses the k largest.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from olmoe_viz.policy import RoutingPolicy

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


def probabilities(router_logits: ArrayLike) -> Floats:
    """Return the softmax over the last axis, same shape: each row from 0 to 1, summing to 1."""
    logits = np.asarray(router_logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def ranking(probabilities: ArrayLike) -> Ids:
    """Return expert ids [..., experts] by falling probability; of equals the lower id is first.

    The order of `torch.sort(descending=True, stable=True)`. `torch.topk` promises no order among
    equals.
    """
    negated = -np.asarray(probabilities, dtype=np.float64)
    return np.argsort(negated, axis=-1, kind="stable").astype(np.int64)


def select(probabilities: ArrayLike, policy: RoutingPolicy, trained_k: int) -> tuple[Ids, Floats]:
    """Return the experts that `policy` would select, and their routing weights.

    For what-if questions: what ran is recorded, as `expert_ids` and `weights`. From router
    probabilities [layers, tokens, experts] to ids and weights, both [layers, tokens, largest k],
    strongest first. Where a token has fewer experts the id is -1 and the weight is 0. `trained_k`
    anchors the gain of the weighting "gain_anchored". Raises ValueError when the policy does not
    fit the numbers of layers and experts, and for interventions: what they do is for a pass to say.
    """
    if policy.interventions:
        raise ValueError("What interventions do is measured by a run.")
    values = np.asarray(probabilities, dtype=np.float64)
    layers, _, experts = values.shape
    ks = np.array(policy.ks(layers, experts))
    ids = ranking(values)[..., : ks.max()]
    weights = np.take_along_axis(values, ids, axis=-1)
    kept = (np.arange(ks.max()) < ks[:, None, None]) & (weights >= policy.threshold)
    kept[..., 0] = True
    weights = np.where(kept, weights, 0.0)
    if policy.weighting != "native":
        weights /= weights.sum(axis=-1, keepdims=True)
    if policy.weighting == "gain_anchored":
        weights *= retained_mass(values, trained_k)[..., None]
    return np.where(kept, ids, -1), weights


def load(expert_ids: ArrayLike, experts: int) -> Floats:
    """Return the share of tokens that used each expert, [layers, experts], from what ran.

    From expert ids [layers, tokens, :] with -1 where there is none, at least one token. The fair
    share is k / experts (arXiv 2409.02060, equation 7, over all tokens given).
    """
    return np.asarray(used(expert_ids, experts).mean(axis=-2))


def used(expert_ids: ArrayLike, experts: int) -> NDArray[np.bool_]:
    """Mark the experts that ran, [..., experts] from expert ids [..., :] with -1 for none."""
    ids = np.asarray(expert_ids).astype(np.int64)
    marked = np.zeros((*ids.shape[:-1], experts + 1), dtype=np.bool_)
    np.put_along_axis(marked, ids, values=True, axis=-1)  # -1 marks the last column, cut off below
    return marked[..., :experts]


def mass(probabilities: ArrayLike, expert_ids: ArrayLike) -> Floats:
    """Return the sum of the probabilities of the experts that ran, [...], from 0 to 1.

    From router probabilities [..., experts] and expert ids [..., :] with -1 for none.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    marked = used(expert_ids, values.shape[-1])
    return np.asarray(np.where(marked, values, 0.0).sum(axis=-1))


def retained_mass(probabilities: ArrayLike, k: int) -> Floats:
    """Return the sum of the `k` largest probabilities, [...] from [..., experts], from k/E to 1.

    The walk-through calls it coverage. The rest of the mass is dropped by native weights.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    _check_k(k, values.shape[-1])
    return np.asarray(_falling(values).cumsum(axis=-1)[..., k - 1])


def margin(probabilities: ArrayLike, k: int) -> Floats:
    """Return p_k - p_(k+1), [...] from [..., experts]: how clearly the last expert was chosen.

    From 0 (a tie at the cutoff) to 1. With k = experts nothing is left out, and it is p_k.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    _check_k(k, values.shape[-1])
    falling = _falling(values)
    last = falling[..., k - 1]
    return np.asarray(last if k == values.shape[-1] else last - falling[..., k])


def entropy(probabilities: ArrayLike) -> Floats:
    """Return the Shannon entropy in nats, [...] from [..., experts], from 0 to ln(experts)."""
    values = np.asarray(probabilities, dtype=np.float64)
    logs = np.log(values, out=np.zeros_like(values), where=values > 0)
    return np.asarray(0.0 - (values * logs).sum(axis=-1))


def expert_load(probabilities: ArrayLike, k: int) -> Floats:
    """Return the share of tokens that have each expert among their `k`, [layers, experts].

    From [layers, tokens, experts], at least one token. Each row sums to k; the fair share is
    k / experts (arXiv 2409.02060, equation 7, over all tokens given).
    """
    return np.asarray(_chosen(probabilities, k).mean(axis=-2))


def overlap(probabilities_a: ArrayLike, probabilities_b: ArrayLike, k: int) -> Floats:
    """Return the share of a's `k` experts that are also among b's `k`, [layers, tokens], 0 to 1.

    The summand of router saturation (arXiv 2409.02060, equation 5). Both arrays are
    [layers, tokens, experts]; ValueError when their shapes differ.
    """
    a, b = _chosen(probabilities_a, k), _chosen(probabilities_b, k)
    if a.shape != b.shape:
        raise ValueError(f"Shapes {a.shape} and {b.shape} cannot be compared.")
    return np.asarray((a & b).sum(axis=-1) / k)


def gain(probabilities: ArrayLike, policy: RoutingPolicy, trained_k: int) -> Floats:
    """Return the sum of the routing weights, [layers, tokens], above 0 and at most 1.

    It scales what the experts add to the residual stream. Arguments and errors as in `select`.
    """
    return np.asarray(select(probabilities, policy, trained_k)[1].sum(axis=-1))


def _falling(values: Floats) -> Floats:
    return np.flip(np.sort(values, axis=-1), axis=-1)


def _chosen(probabilities: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Mark the k selected experts of every token, [..., experts]."""
    values = np.asarray(probabilities, dtype=np.float64)
    _check_k(k, values.shape[-1])
    chosen = np.zeros(values.shape, dtype=np.bool_)
    np.put_along_axis(chosen, ranking(values)[..., :k], values=True, axis=-1)
    return chosen


def _check_k(k: int, experts: int) -> None:
    if not 1 <= k <= experts:
        raise ValueError(f"k must be from 1 to {experts}; it is {k}.")
