"""The words of the figures of a router that follow a slider. Braces hold what the browser knows."""

from collections.abc import Mapping

HTML: Mapping[str, str] = {
    "temperature": "temperature",
    "k": "k",
    "reset": "As the model has it",
}
SCRIPT: Mapping[str, str] = {
    "cut": "top {k}: {mass}",
    "probability": "probability {probability}",
    "mass": "mass up to this rank {mass}",
    "here": "{entropy} at {temperature}",
    "at": "temperature {temperature}\nentropy {entropy} nats",
    "spread": (
        "At temperature {temperature} the entropy is {entropy} nats: as undecided as an even "
        "choice among {effective} of {experts} experts."
    ),
    "kept": (
        "At temperature {temperature} the top {k} keep {mass} of the probability, and the margin "
        "at the cutoff is {margin}."
    ),
    "all": "With {k} experts all run: nothing is dropped at any temperature.",
    "own": "This is what the model did.",
    "dragged": "The model did not run so: computed from its logits.",
}
