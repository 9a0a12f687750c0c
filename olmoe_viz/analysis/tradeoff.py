"""What a prompt costs, and what it makes the model say next, for several k."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from olmoe_viz.engine.engine import Ask
from olmoe_viz.numerics import costs, routing
from olmoe_viz.policy import RoutingPolicy, Weighting
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.requests import ModelRequest, ScoreRequest, Text, TimeRequest, TraceRequest


@dataclass(frozen=True)
class TradeOff:
    """One k on one prompt.

    Measured: `retained_mass` of the k experts that ran and `gain`, the sum of their routing
    weights, both means over layers and tokens; `seconds`, the median wall time of `runs` passes
    over the prompt after one that is not counted, `fastest` and `slowest` of them; `kl`, in nats,
    the divergence of the next-token distribution from the trained one; `top_token` and whether it
    is the trained one's, `same_top`.

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
    ask: Ask,
    model: str,
    text: Text,
    ks: Sequence[int],
    runs: int = 3,
    weighting: Weighting = "native",
) -> Iterator[TradeOff]:
    """Run a prompt under each k and yield one row at a time, in the order of `ks`.

    The trained k with native weights is the reference. Raises at once: InputError for a prompt or a
    k that does not fit the model and for less than one run, and whatever else `ask` raises.
    """
    facts = ask(ModelRequest(model))
    policies = tuple(RoutingPolicy(k, weighting) for k in ks)
    timings = [TimeRequest(model, text, policy, runs=runs) for policy in policies]
    trained = RoutingPolicy(facts.geometry.trained_k)
    scores = ask(ScoreRequest(model, text, policies, trained))
    assert scores.kl is not None  # noqa: S101 - there is a reference
    assert scores.same_top is not None  # noqa: S101
    ends = scores.kl[:, -1].tolist(), scores.same_top[:, -1].tolist()
    rows = zip(ks, timings, *ends, strict=True)
    return (_row(ask, facts, *row) for row in rows)


def _row(
    ask: Ask, facts: ModelFacts, k: int, timing: TimeRequest, kl: float, same_top: int
) -> TradeOff:
    run = ask(TraceRequest(timing.model, timing.text, timing.policy))
    seconds = ask(timing).seconds.tolist()
    probabilities, geometry = routing.probabilities(run.router_logits), facts.geometry
    active = costs.active_parameters(geometry, k)
    return TradeOff(
        k=k,
        retained_mass=float(routing.mass(probabilities, run.expert_ids).mean()),
        gain=float(run.weights.sum(axis=-1, dtype=float).mean()),
        active_parameters=active,
        active_share=active / costs.total_parameters(geometry),
        bytes_per_token=costs.bytes_per_token(geometry, k, facts.bytes_per_value),
        flops_per_token=costs.flops_per_token(geometry, k, len(run.tokens) - 1),
        seconds=median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        runs=len(seconds),
        kl=kl,
        same_top=bool(same_top),
        top_token=run.next_tokens[0],
    )
