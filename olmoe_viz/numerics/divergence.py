"""How far two distributions over the vocabulary are apart, from their logits, in float64."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Return natural log-probabilities over the last axis, same shape."""
    values = np.array(logits, dtype=np.float64)
    values -= values.max(axis=-1, keepdims=True)
    return np.asarray(values - np.log(np.exp(values).sum(axis=-1, keepdims=True)))


def kl_divergence(p_logits: ArrayLike, q_logits: ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of q from p in nats, from two [vocab] of logits.

    0 when both say the same; p is the reference, whose probabilities weigh the difference.
    """
    p, q = log_softmax(p_logits), log_softmax(q_logits)
    return max(float((np.exp(p) * (p - q)).sum()), 0.0)
