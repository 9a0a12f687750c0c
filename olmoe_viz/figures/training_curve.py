"""A loss against the tokens that a model has been trained on."""

from collections.abc import Sequence

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    points: Sequence[tuple[int, float]],
    *,
    quantity: str,
    ideal: tuple[float, str],
    theme: Theme = "light",
) -> Figure:
    """Draw the curve, and the value that it would have in the ideal case as a dotted line.

    Args:
        points: tokens trained on and the loss then, rising tokens.
        quantity: the name of the loss.
        ideal: the value and its words.
        theme: the theme on the screen.
    """
    millions = [tokens / 1e6 for tokens, _ in points]
    losses = [loss for _, loss in points]
    reach = max(max(losses) - ideal[0], 1e-6)
    span = (ideal[0] - 0.15 * reach, ideal[0] + 1.15 * reach)
    return Figure(
        alt=(
            f"Line of {quantity} over {millions[-1]:.0f} million tokens: first {losses[0]:.3f}, at "
            f"most {max(losses):.3f}, at last {losses[-1]:.3f}; {ideal[1]}."
        ),
        height=210,
        margin=(10, 16, 44, 58),
        x=(Axis((0.0, millions[-1]), ticks(0.0, millions[-1]), "million tokens trained on"),),
        y=Axis(span, ticks(*span, most=4), quantity),
        marks=(
            Line(
                millions,
                losses,
                "ink",
                [
                    f"{at:.0f} million tokens\n{quantity} {loss:.3f}"
                    for at, loss in zip(millions, losses, strict=True)
                ],
                width=1.75,
                numbers={"million tokens": millions, quantity: losses},
            ),
        ),
        rules=[Rule("y", ideal[0], "muted", dotted=True)],
        notes=[Note(ideal[1], 1, ideal[0], "x", anchor="end", shift=(0, 9))],
        theme=theme,
    )
