"""What the model would predict if it stopped after each block, and how the winner rises."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, shorten, visible
from olmoe_viz.figures.marks import Axis, Cells, Line, Note, rounded
from olmoe_viz.figures.palette import SEQUENTIAL, Theme


def figure(
    tokens: Sequence[Sequence[str]],
    probabilities: NDArray[np.float64],
    winner: NDArray[np.float64],
    ranks: NDArray[np.int64],
    *,
    k: int,
    theme: Theme = "light",
) -> Figure:
    """Draw the most likely tokens after each block at the left, the winner's share at the right.

    Args:
        tokens: [stages][top] names; stage 0 is the embedding, stage l + 1 is after block l.
        probabilities: [stages, top] of these tokens.
        winner: [stages], probability of the token that wins after the last block.
        ranks: [stages], its rank, 1 for the first.
        k: experts per token of the run.
        theme: the theme on the screen.
    """
    stages, top = probabilities.shape
    names = ["embedding", *(f"layer {layer}" for layer in range(stages - 1))]
    shares = winner.tolist()
    return Figure(
        alt=_sentence(tokens, winner),
        height=84 + 25 * stages,
        margin=(26, 14, 44, 76),
        x=(
            Axis(
                (0.5, top + 0.5),
                [(rank, str(rank)) for rank in range(1, top + 1)],
                "rank",
                bare=True,
                part=(0, 0.76),
            ),
            Axis((0, 1.03), [(0, "0"), (1, "1")], "probability", part=(0.8, 1)),
        ),
        y=Axis((stages - 0.5, -0.5), list(enumerate(names)), bare=True),
        marks=(
            Cells(
                rounded(probabilities),
                first=(0, 1),
                scale=SEQUENTIAL[theme],
                span=(0, 1),
                gaps=(2, 2),
                hover="{text}, rank {column}\nprobability {value}",
                numbers=("after", "rank", "probability"),
                rows=names,
                texts=[[_name(token, 8) for token in row] for row in tokens],
            ),
            Line(
                shares,
                list(range(stages)),
                "accent",
                [
                    f"the token that wins\nprobability {share:.3g}\nrank {rank:,}"
                    for share, rank in zip(shares, ranks.tolist(), strict=True)
                ],
                dots=[5] * stages,
                axis=1,
                numbers={
                    "after": names,
                    "rank": ranks.tolist(),
                    "text": [f"the token that wins: {_name(tokens[-1][0], 14)}"] * stages,
                    "probability": shares,
                },
            ),
        ),
        # Above both parts, since the part on the right is narrower than these words.
        notes=[
            Note(
                f"probability of ‘{_name(tokens[-1][0], 14)}’, k = {k}",
                x=1,
                y=1,
                paper="xy",
                anchor="end",
                shift=(0, -14),
                color="accent",
            )
        ],
        theme=theme,
    )


def _name(token: str, limit: int) -> str:
    return shorten(visible(token), limit)


def _sentence(tokens: Sequence[Sequence[str]], winner: NDArray[np.float64]) -> str:
    """One sentence for a person who cannot see the table."""
    first = next(
        at for at in range(len(tokens)) if all(row[0] == tokens[-1][0] for row in tokens[at:])
    )
    since = "the embedding" if first == 0 else f"layer {first - 1}"
    return (
        f"Most likely next tokens after each of {len(tokens) - 1} layers: {tokens[-1][0]!r} leads "
        f"from {since} on and ends with probability {digits(float(winner[-1]))}."
    )
