"""How well each policy predicts a text that is given: likelihood, and distance from a reference."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.errors import InputError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.scores import Scores


@dataclass(frozen=True)
class PromptQuality:
    """What one policy makes of a given text.

    `tokens` are the predicted ones: all but the first. `mean_nll` is their mean negative
    log-likelihood in nats and `perplexity` its exponential; both None when nothing is predicted.
    `mean_kl` is the Kullback-Leibler divergence, in nats, of the policy's next-token distribution
    from the reference's (which weighs the difference), and `agreement` the share of positions where
    both have the same most likely token: means over all positions, the last one included.
    """

    policy: RoutingPolicy
    tokens: int
    mean_nll: float | None
    perplexity: float | None
    mean_kl: float
    agreement: float


def prompt_quality(scores: Scores) -> list[PromptQuality]:
    """Return what each policy of the scores makes of their text, in order.

    Raises InputError for scores without a reference, since nothing was compared.
    """
    kl, same_top = scores.kl, scores.same_top
    if kl is None or same_top is None:
        raise InputError("Ask for scores with a reference policy.")
    means = [float(row.mean()) if row.size else None for row in scores.nll]
    return [
        PromptQuality(
            policy=policy,
            tokens=scores.tokens - 1,
            mean_nll=mean,
            perplexity=None if mean is None else math.exp(mean),
            mean_kl=max(float(kl[row].mean()), 0.0),
            agreement=float(same_top[row].mean()),
        )
        for row, (policy, mean) in enumerate(zip(scores.request.policies, means, strict=True))
    ]


def bits_per_byte(scores: Scores, row: int) -> float | None:
    """Return the bits that policy number `row` needs for each byte of the text.

    Of all tokens but the first, which is not predicted; None where these have no bytes.
    """
    size = int(scores.token_sizes[1:].sum())
    return float(scores.nll[row].sum()) / math.log(2) / size if size else None


def token_probabilities(scores: Scores, row: int, first: int) -> NDArray[np.float64]:
    """Return the probability of each token from number `first` on, float64 [tokens - first].

    Under policy number `row`, which reads the text as it is given; for a generated text, `first` is
    the number of tokens of its prompt. The first token of a text is not predicted: `first` is from
    1 to the number of tokens, ValueError if not.
    """
    if not 1 <= first <= scores.tokens:
        raise ValueError(f"The first token must be from 1 to {scores.tokens}; it is {first}.")
    return np.asarray(np.exp(-scores.nll[row, first - 1 :]))
