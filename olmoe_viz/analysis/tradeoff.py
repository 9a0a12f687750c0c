"""What a prompt costs, and what it makes the model say next, for several k."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics import costs
from olmoe_viz.numerics import routing as numerics
from olmoe_viz.analysis.prediction import kl_divergence
from olmoe_viz.engine.decoding import advance
from olmoe_viz.engine.forward import Cache
from olmoe_viz.engine.inputs import InputError, check_policies, encode
from olmoe_viz.engine.text import TokenBytes
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy, Weighting
from olmoe_viz.records.tokens import display_token

Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class TradeOff:
    """One k on one prompt.

    Measured: `retained_mass` of the k strongest experts and `gain`, the sum of the routing weights,
    both means over layers and tokens; `seconds`, the median wall time of `runs` passes over the
    prompt after one that is not counted, `fastest` and `slowest` of them; `kl`, in nats, the
    divergence of the next-token distribution from the trained one; `top_token` and whether it is
    the trained one's, `same_top`.

    Derived: `active_parameters` and `active_share` of all; `bytes_per_token` of weights read to
    decode one token, in the model's dtype; `flops_per_token` at the prompt's last position.
    """

    k: int
    retained_mass: float
    gain: float
    active_parameters: int
    active_share: float
    bytes_per_token: int
    flops_per_token: int
    seconds: float
    fastest: float
    slowest: float
    runs: int
    kl: float
    same_top: bool
    top_token: str


def tradeoff(
    model: Model,
    prompt: str | Iterable[int],
    ks: Sequence[int] = (1, 4, 8, 16, 32, 64),
    runs: int = 3,
    weighting: Weighting = "native",
) -> Iterator[TradeOff]:
    """Run a prompt under each k and yield one record at a time, in the order of `ks`.

    The trained k with native weights runs first and is the reference. Raises InputError, at once,
    for a prompt or a k that does not fit the model and for less than one run.
    """
    if runs < 1:
        raise InputError(f"There must be at least 1 run; it is {runs}.")
    policies = [RoutingPolicy(k, weighting) for k in ks]
    check_policies(model, policies)
    return _rows(model, encode(model, prompt), policies, runs)


def _rows(
    model: Model, ids: list[int], policies: Sequence[RoutingPolicy], runs: int
) -> Iterator[TradeOff]:
    cache = Cache(model.module, slots=1, length=len(ids))
    trained, _ = _run(model, cache, ids, RoutingPolicy(model.geometry.trained_k))
    for policy in policies:
        scores, router_logits = _run(model, cache, ids, policy)
        seconds = [_seconds(model, cache, ids, policy) for _ in range(runs)]
        yield _row(model, policy, scores, router_logits, trained, seconds, len(ids))


def _row(
    model: Model,
    policy: RoutingPolicy,
    scores: Float32s,
    router_logits: Float32s,
    trained: Float32s,
    seconds: list[float],
    tokens: int,
) -> TradeOff:
    geometry, (k, *_) = model.geometry, policy.ks(1)
    probabilities = numerics.probabilities(router_logits)
    active = costs.active_parameters(geometry, k)
    top = int(scores.argmax())
    return TradeOff(
        k=k,
        retained_mass=float(numerics.retained_mass(probabilities, k).mean()),
        gain=float(numerics.gain(probabilities, policy, geometry.trained_k).mean()),
        active_parameters=active,
        active_share=active / costs.total_parameters(geometry),
        bytes_per_token=costs.bytes_per_token(geometry, k, model.dtype.itemsize),
        flops_per_token=costs.flops_per_token(geometry, k, tokens - 1),
        seconds=median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        runs=len(seconds),
        kl=kl_divergence(trained, scores),
        same_top=top == int(trained.argmax()),
        top_token=display_token(TokenBytes(model.tokenizer).of(top)),
    )


def _run(
    model: Model, cache: Cache, ids: list[int], policy: RoutingPolicy
) -> tuple[Float32s, Float32s]:
    """Return logits [vocab] after the prompt and router logits [layers, tokens, experts].

    Both come back on the CPU, so the device has finished when this returns.
    """
    scores, router_logits = advance(model, cache, [ids], [0], [0], [policy])
    return scores[0].numpy(), router_logits[0]


def _seconds(model: Model, cache: Cache, ids: list[int], policy: RoutingPolicy) -> float:
    start = time.perf_counter()
    _run(model, cache, ids, policy)
    return time.perf_counter() - start
