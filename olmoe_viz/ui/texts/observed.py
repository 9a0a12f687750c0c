"""What was observed on a few texts, in sentences made of the numbers."""

from collections.abc import Mapping, Sequence

from olmoe_viz.figures.labels import digits, visible
from olmoe_viz.ui.widgets.wording import plain

SPECIAL = 0.5  # of their experts that first tokens share, from which on they are called special
APART = 0.25  # experts more or fewer than usual, from which on two tokens are called so

TRY = "Four things to try"
QUESTIONS: Mapping[str, str] = {
    "meanings": "The same word in two meanings: does the router tell them apart?",
    "bracket": "A bracket in prose and in code: is it the same bracket?",
    "french": "French in an English sentence: do its words go to other experts?",
    "number": "A number and its word: does the router see that they are alike?",
}


def first_token(
    layer: int, k: int, texts: int, first: Sequence[float], last: Sequence[float]
) -> str:
    """Why the first token's experts say little: what first tokens of several texts share.

    `first` and `last` are shares by layer, of first and of last tokens.
    """
    here = f"{k * first[layer]:.1f} of {k} experts in layer {layer}"
    usual = f"last tokens share {k * last[layer]:.1f}"
    measured = f"over all pairs of {texts} texts"
    if first[layer] >= SPECIAL:
        return (
            "The first token is special: it sees only itself, and whatever it is, it goes almost "
            f"the same way. First tokens share {here}, {usual}, {measured}."
        )
    most = max(range(len(first)), key=first.__getitem__)
    return (
        f"The first token sees only itself. Here that shows little: first tokens share {here}, "
        f"{usual}, {measured}. In layer {most} it is {k * first[most]:.1f}, whatever they are."
    )


def question(name: str, link: str) -> str:
    """A suggested experiment as a link; Markdown."""
    return f"[{QUESTIONS[name]}]({link})"


def shared(tokens: tuple[str, str], shares: Sequence[int], usual: float, k: int) -> str:
    """What two tokens of a text share, against what is usual there; Markdown."""
    mean = sum(shares) / len(shares)
    if mean >= usual + APART:
        verdict = "more than other pairs of this text"
    elif mean <= usual - APART:
        verdict = "fewer than other pairs of this text"
    else:
        verdict = "about as many as other pairs of this text"
    most, least = (shares.index(pick(shares)) for pick in (max, min))
    one, other = (plain(visible(token)) for token in tokens)
    return (
        f"‘{one}’ and ‘{other}’ share {mean:.1f} of {k} experts, on average over the layers, "
        f"{verdict} ({usual:.1f}): most, {shares[most]}, in layer {most}, and fewest, "
        f"{shares[least]}, in layer {least}."
    )


def balance(curve: Sequence[tuple[int, float]]) -> str:
    """How the load-balancing loss went; the curve is of tokens trained on, and the loss."""
    tokens, most = max(curve, key=lambda point: point[1])
    return (
        f"It began at {curve[0][1]:.3f}, was {most:.3f} at most, after {digits(tokens / 1e6)} "
        f"million tokens, and ended at {curve[-1][1]:.3f}."
    )
