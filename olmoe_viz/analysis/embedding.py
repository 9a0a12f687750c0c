"""How alike the tokens are before the first layer."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.errors import InputError
from olmoe_viz.records.trace import Trace


def cosine_similarities(trace: Trace, token: int) -> NDArray[np.float64]:
    """Return the cosine between the embedding of `token` and that of each token, [tokens].

    From -1 to 1; 1 for the token itself, and 0 where an embedding is all zeros. Raises InputError
    for a trace without hidden states and for a token that it does not have.
    """
    if trace.hidden_states is None:
        raise InputError('This trace has no hidden states. Record it with detail="full".')
    if not 0 <= token < len(trace.tokens):
        raise InputError(f"The token must be from 0 to {len(trace.tokens) - 1}; it is {token}.")
    embeddings = trace.hidden_states[0].astype(np.float64)
    norms = np.linalg.norm(embeddings, axis=-1)
    products = norms * norms[token]
    cosines = np.zeros(len(norms))
    np.divide(embeddings @ embeddings[token], products, out=cosines, where=products > 0)
    return cosines
