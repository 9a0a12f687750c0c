"""The words of the map and its page."""

from collections.abc import Mapping

# What a color means, and what the scale beside it counts.
LEGENDS: Mapping[str, tuple[str, str]] = {
    "strongest": (
        "Color: the strongest expert that ran; its number is in the cell.",
        "Intensity: its router probability",
    ),
    "mass": ("Color: how much router probability the selected experts hold.", "Retained mass"),
    "entropy": ("Color: how evenly the router spreads its probability.", "Entropy in nats"),
    "margin": (
        "Color: how far the last selected expert is ahead of the first that is cut off.",
        "Margin in probability",
    ),
    "drift": (
        (
            "Color: how many of the k strongest are no longer among the k strongest in the other "
            "run; k is the smaller of the two."
        ),
        "Experts that dropped out",
    ),
    "follow": (
        "Color: the router probability of one expert; a ring marks where it is selected.",
        "Probability",
    ),
}
