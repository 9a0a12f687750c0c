"""The words of the first visit."""

TITLE = "A mixture of experts, opened"
WHAT_IS_THIS = "What is this?"
CLOSE = "Close"
DO = "Watch one piece on its way."


def what(layers: int, experts: int, k: int) -> str:
    """What this is, in one sentence."""
    return (
        f"A language model reads the text above piece by piece, and in each of its {layers} layers "
        f"a router picks {k} of {experts} small networks, the experts, for every piece."
    )


def tour(stops: int) -> str:
    """The invitation to the tour."""
    return f"Take the tour: {stops} stops"
