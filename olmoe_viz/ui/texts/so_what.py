"""The sentence with which each step of Follow ends: what its numbers come to here.

Every sentence is chosen and filled by the numbers; each case of each has a test.
"""

import math
from collections.abc import Sequence

from olmoe_viz.figures.labels import digits, k_is, visible
from olmoe_viz.ui.widgets.wording import count

CLOSE = 1.5  # times as probable: below it the first two experts are called close
LITTLE = 0.1  # of the vector's length: what adds less changes it little


def tokenization(tokens: int, characters: int, *, whole: bool) -> str:
    """How much shorter the text is for the model; `whole` tokens spell whole characters."""
    part = "" if whole else " The chosen token is not even a whole character."
    if tokens == 1:
        return f"The whole text is one number to the model.{part}"
    return (
        f"To the model {count(characters, 'character')} are {count(tokens, 'number')}: it never "
        f"sees a letter.{part}"
    )


def embedding(token: str, same_at: int | None, nearest: tuple[str, float] | None) -> str:
    """Whether the vector says more than which token it is.

    `same_at` is another place of the same token, `nearest` the most similar other token and its
    cosine; None where there is none.
    """
    if same_at is not None:
        return (
            f"‘{visible(token)}’ has the very same vector at token {same_at}: the table knows the "
            "token, not its context."
        )
    if nearest is None:
        return "There is no other token: nothing but this vector enters the model."
    return (
        f"The vector says which token it is, not what it means here. Of the others ‘"
        f"{visible(nearest[0])}’ is most alike, cosine {digits(nearest[1])}."
    )


def attention(seen: int, own: int, most: tuple[int, str, float], added: float) -> str:
    """Where the token looks most, and how much comes of it.

    Args:
        seen: how many tokens it sees, itself included.
        own: its own place.
        most: the place it looks at most, the token there, and its share, the mean of all heads.
        added: the length of what is added, as a share of that of the vector.
    """
    at, token, share = most
    if seen == 1:
        where = "The first token sees only itself, so nothing of other words can come in"
    elif at == own:
        where = f"It looks most at itself: {digits(share)} of the attention, on average over heads"
    elif at == 0:
        where = (
            f"It looks most at the first token, {digits(share)} of the attention on average over "
            "heads: often a place to rest for heads that find nothing"
        )
    else:
        where = (
            f"It takes most from ‘{visible(token)}’: {digits(share)} of the attention, on average "
            "over heads"
        )
    return f"{where}. What is added is {_times(added)} as long as the vector."


def router(first: str, second: str, gap: float) -> str:
    """How clearly the strongest expert leads; `gap` is the difference of the first two logits."""
    if gap == 0:
        return f"{first} and {second} tie: the lower id counts as the stronger."
    ratio = math.exp(gap)
    if ratio < CLOSE:
        return f"A close race: {first} is only {ratio:.2f} times as probable as {second}."
    return f"The router has a favorite: {first} is {digits(ratio)} times as probable as {second}."


def softmax(effective: float, k: int, experts: int, mass: float) -> str:
    """Whether k experts are as many as the router hesitates between; `mass` is theirs."""
    if k == experts:
        return (
            f"The router hesitates between about {effective:.0f} of {experts} experts; all of them "
            "run, so nothing can be lost."
        )
    if effective > k:
        return (
            f"The router hesitates between about {effective:.0f} of {experts} experts, more than "
            f"the {k} that run: something must be lost."
        )
    return (
        f"The router hesitates between about {effective:.0f} experts only: the {k} that run hold "
        f"{digits(mass)} of the probability."
    )


def top_k(k: int, experts: int, mass: float) -> str:
    """What is dropped."""
    if k == experts:
        return "All experts run, so nothing is dropped."
    if mass < 0.5:
        return (
            f"More is dropped than kept: {digits(1 - mass)} of the probability goes to experts "
            "that do not run."
        )
    return f"More is kept than dropped: {digits(mass)} of the probability is with the top {k}."


def experts(names: Sequence[str], norms: Sequence[float]) -> str:
    """Whether the expert that was asked most answers loudest; strongest first."""
    if len(names) == 1:
        return f"{names[0]} is asked alone: whatever it says is all that is added."
    loudest = max(range(len(norms)), key=norms.__getitem__)
    if loudest == 0:
        return f"{names[0]} was asked most, and its output is also the longest."
    return (
        f"Asked most is not loudest: {names[0]} has the largest probability, but the output of "
        f"{names[loudest]} is {digits(norms[loudest] / norms[0])} times as long."
    )


def combination(share: float) -> str:
    """How much of the vector is new; `share` is the length of what is added over that before."""
    if share < LITTLE:
        return (
            f"This layer changes the vector little: its experts add {_times(share)} of its length."
        )
    if share < 1:
        return (
            f"The experts add {_times(share)} of the vector's length: a part is new, and nothing "
            "is replaced."
        )
    return (
        f"The experts add {_times(share)} the vector's length: after this layer it is mostly what "
        "they wrote."
    )


def prediction(ks: tuple[int, int], tokens: tuple[str, str], shares: tuple[float, float]) -> str:
    """Whether the number of experts decides the next token."""
    one, two = (visible(token) for token in tokens)
    first, second = (digits(share) for share in shares)
    if ks[0] == ks[1]:
        return f"‘{one}’ is the likeliest next token, with probability {first}."
    if one == two:
        return (
            f"The number of experts does not decide here: ‘{one}’ is the likeliest with both ks, "
            f"{first} and {second}."
        )
    return (
        f"The number of experts decides the next token: ‘{one}’ ({first}) with {k_is(ks[0])}, "
        f"‘{two}’ ({second}) with {k_is(ks[1])}."
    )


def way_in(layer: int, layers: Sequence[int], norms: tuple[float, float]) -> str:
    """Between steps 2 and 3: the page goes to one layer; the norms of the vector there and before.

    Names the layers that are passed over.
    """
    place = f"layer {layer}, of {layers[0]} to {layers[-1]}"
    if layer == layers[0]:
        return f"Now the vector enters {place}. Steps 3 to 8 are what happens in this one layer."
    before = [at for at in layers if at < layer]
    passed = f"layer {before[0]}" if len(before) == 1 else f"layers {before[0]} to {before[-1]}"
    return (
        f"The page now goes to {place}. The same six steps have happened in {passed}: the norm of "
        f"the vector has gone from {digits(norms[0])} to {digits(norms[1])}."
    )


def way_out(layer: int, layers: Sequence[int], norms: tuple[float, float]) -> str:
    """Between steps 8 and 9: the layers that still follow, and the norms before and after them."""
    after = [at for at in layers if at > layer]
    if not after:
        return (
            f"This was the last of {len(layers)} layers: the vector, norm {digits(norms[0])}, "
            "goes on to the prediction."
        )
    follow = f"layer {after[0]}" if len(after) == 1 else f"layers {after[0]} to {after[-1]}"
    return (
        f"The same follows in {follow}. There the norm of the vector goes from {digits(norms[0])} "
        f"to {digits(norms[1])}."
    )


def _times(share: float) -> str:
    """A ratio of lengths: in percent below 1, else as a multiple."""
    return f"{100 * share:.0f}%" if share < 1 else f"{digits(share)} times"
