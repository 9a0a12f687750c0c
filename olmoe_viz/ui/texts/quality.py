"""The words of Quality: constants, and sentences made of numbers."""

from collections.abc import Sequence

from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui import glossary
from olmoe_viz.ui.widgets.wording import listed

TITLE = "What was measured on held-out text"
BETTER = "Does a larger k predict better?"
QUOTED = "The same question on OLMoE-1B-7B-0924"
DOMAINS = "Do experts prefer domains?"
SETTLED = "When did the routers settle?"
NEAR = f"Native weights from {k_is(4)} on, where the differences are small."
ALL = f"All three weightings from {k_is(1)} on."
TEXT, NUMBERS, DOWNLOAD = "text", "The numbers", "Download all domains as CSV"
ALL_DOMAINS = "mean of the ten domains"
K, BEST_UNDER = "k", "best, or equal to it, under"
TABLE = "Bits per byte by k and weighting"
FROM = (
    "These figures are not published. Others measured them on OLMoE-1B-7B-0924 (fp16, first 500 "
    "non-empty lines, native weights) and passed them on to this project, which has not checked "
    "them."
)
LOWER_IS_BETTER = f"Lower {glossary.link('perplexity')} is better."
WHY_THEY_DIFFER = (
    "They differ from the figures above because this is another model, far larger and trained on "
    "far more text, and because the texts and the unit are others too: perplexity counts per "
    "token, bits per byte do not."
)


def bits_per_byte(tokens: int, text: str) -> str:
    """What is drawn for a text, and what the unit means."""
    return (
        f"{tokens:,} held-out tokens, {text}, in {glossary.link('bits per byte')}. One bit less "
        "per byte: on average the model gives each byte twice the probability. The thin bars are "
        "95% bootstrap intervals."
    )


def equal_ks(ks: Sequence[int]) -> str:
    """That several ks, the best of them included, cannot be told apart."""
    why = (
        "each value lies in the other's 95% interval."
        if len(ks) == 2
        else "the best value lies in the 95% interval of each, and theirs in that of the best."
    )
    return f"{k_is(listed(ks))} cannot be told apart: {why}"


def best(ks: Sequence[int], weighting: str) -> str:
    """Which ks are best under a weighting, rising; several where they cannot be told apart."""
    if len(ks) > 1:
        return f"Best under {weighting} weights: {equal_ks(ks)}"
    return f"Best under {weighting} weights: {k_is(ks[0])}."


def windows(count: int, length: int) -> str:
    """What the checkpoints were run on."""
    return f"held-out text in {count} windows of {length} tokens, bfloat16 weights"


def layer(layers: int) -> str:
    """The label of the control of the layer."""
    return f"layer (0 to {layers - 1})"


def domain_preference(trained_k: int, fair: float) -> str:
    """What the map of domains and experts shows."""
    return (
        f"The {glossary.link('domain specialization')}: of each domain's tokens, the share that "
        f"has the expert among its top {trained_k}. By chance it would be {fair:.1%} everywhere. A "
        "larger share says where an expert is used, not what it knows."
    )


def saturation(tokens: int, trained_k: int) -> str:
    """What the curve of the checkpoints shows, and why it rises late."""
    return (
        f"The {glossary.link('saturation')} over {tokens:,} fixed held-out tokens: the share of "
        f"the final model's top {trained_k} that an earlier checkpoint already chose. Thin lines "
        "are layers, the thick line is their mean. In the last twelfth of training only the "
        "routers learned fast, so their choices changed late. The curve ends at 100% by "
        "definition."
    )
