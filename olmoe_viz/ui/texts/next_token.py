"""The words about the token that comes next, on the map."""

from olmoe_viz.figures.labels import digits, k_is, visible

TITLE = "What comes next"
EXPLANATION = (
    "Press a token to add it to the text and go on: it is run with the text, and the map grows by "
    "a column."
)


def choice(k: int) -> str:
    """Whose choice a row of tokens is."""
    return f"with {k_is(k)}"


def candidate(token: str, probability: float) -> str:
    """One token of the row, for hover and screen reader."""
    return f"add ‘{visible(token)}’, probability {probability:.3f}"


def agreement(tokens: tuple[str, str], shares: tuple[float, float], ks: tuple[int, int]) -> str:
    """Whether both ks choose the same token."""
    one, two = (visible(token) for token in tokens)
    if one == two:
        return f"Both ks choose ‘{one}’, with {digits(shares[0])} and {digits(shares[1])}."
    return f"{k_is(ks[0])} chooses ‘{one}’, {k_is(ks[1])} ‘{two}’: from here two texts begin."
