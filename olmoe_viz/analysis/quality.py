"""How well a policy predicts a text that is given: likelihood, and distance from the trained k."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.analysis.recorded import check_weights
from olmoe_viz.engine.forward import Cache, Span, forward, logits
from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.router import routing
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation

_CHUNK = 256  # positions whose whole vocabulary is held at a time


@dataclass(frozen=True)
class PromptQuality:
    """What one policy makes of a given text.

    `tokens` are the predicted ones: all but the first. `mean_nll` is their mean negative
    log-likelihood in nats and `perplexity` its exponential; both None when nothing is predicted.
    `mean_kl` is the Kullback-Leibler divergence, in nats, of the policy's next-token distribution
    from the trained one (which weighs the difference), and `agreement` the share of positions where
    both have the same most likely token: means over all positions, the last one included.
    """

    policy: RoutingPolicy
    tokens: int
    mean_nll: float | None
    perplexity: float | None
    mean_kl: float
    agreement: float


def prompt_quality(
    model: Model,
    prompt: str | Iterable[int],
    policies: Sequence[RoutingPolicy],
    trained: RoutingPolicy | None = None,
) -> Iterator[PromptQuality]:
    """Measure each policy on a text against `trained`; yield them in their order as they are done.

    Without `trained` that is the trained k with native weights. One pass for each policy and one
    more before the first; 8 * tokens * hidden bytes. Raises InputError at once for a text or a
    policy that does not fit the model.
    """
    trained = trained or RoutingPolicy(model.geometry.trained_k)
    check_policies(model, [trained, *policies])
    ids = encode(model, prompt)
    return _measure(model, ids, policies, trained)


@torch.inference_mode()
def _measure(
    model: Model, ids: list[int], policies: Sequence[RoutingPolicy], trained: RoutingPolicy
) -> Iterator[PromptQuality]:
    reference = _final_hidden(model, ids, trained)
    for policy in policies:
        hidden = _final_hidden(model, ids, policy)
        sums = np.zeros(3)  # negative log-likelihood, divergence, agreement
        for part in _parts(len(ids)):
            p = _log_probabilities(model, reference[part])
            q = _log_probabilities(model, hidden[part])
            wanted = ids[part.start + 1 : part.stop + 1]  # one less in the last part
            said = _of(q, torch.tensor(wanted, dtype=torch.int64, device=q.device))
            divergence = (p.exp() * (p - q)).sum()
            same = (p.argmax(-1) == q.argmax(-1)).sum()
            sums += [-float(said.sum()), float(divergence), int(same)]
        yield _summary(policy, len(ids), sums.tolist())


def _summary(policy: RoutingPolicy, count: int, sums: list[float]) -> PromptQuality:
    nll = sums[0] / (count - 1) if count > 1 else None
    return PromptQuality(
        policy=policy,
        tokens=count - 1,
        mean_nll=nll,
        perplexity=None if nll is None else math.exp(nll),
        mean_kl=max(sums[1] / count, 0.0),
        agreement=sums[2] / count,
    )


@torch.inference_mode()
def token_probabilities(
    model: Model, generation: Generation, policy: RoutingPolicy
) -> NDArray[np.float64]:
    """Return the probability of each generated token under another policy, float64 [tokens].

    Teacher-forced: the policy reads the prompt and the text as they were written. Before
    temperature. Raises InputError for a generation of another model and a policy that does not fit.
    """
    check_weights(model, generation)
    check_policies(model, [policy])
    ids = [*generation.prompt_ids.tolist(), *generation.token_ids.tolist()]
    first = len(generation.prompt_ids) - 1  # the position that predicts the first generated token
    if len(generation.token_ids) == 0:
        return np.zeros(0)
    hidden = _final_hidden(model, ids[:-1], policy)[first:]
    found = []
    for part in _parts(len(hidden)):
        scores = _log_probabilities(model, hidden[part])
        wanted = generation.token_ids[part]
        found.append(_of(scores, torch.tensor(wanted, device=scores.device)))
    values: NDArray[np.float64] = torch.cat(found).exp().cpu().numpy()
    return values


def _final_hidden(model: Model, ids: list[int], policy: RoutingPolicy) -> Tensor:
    """Run a text; return the residual stream after the last block, [tokens, hidden]."""
    cache = Cache(model.module, slots=1, length=len(ids))
    with routing([policy]), threads(model, len(ids)):
        tokens = torch.tensor([ids], device=model.device)
        return forward(model.module, tokens, cache, Span.at(cache, [0], [0], len(ids)))[0]


def _log_probabilities(model: Model, hidden: Tensor) -> Tensor:
    return logits(model.module, hidden).double().log_softmax(-1)


def _of(log_probabilities: Tensor, ids: Tensor) -> Tensor:
    """Return the entries of the given ids, one for each of the first rows."""
    return log_probabilities[: len(ids)].gather(1, ids.unsqueeze(1)).squeeze(1)


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))
