"""Why a model has experts at all, and what keeps all of them in use."""

from olmoe_viz.ui import glossary
from olmoe_viz.ui.widgets.wording import billions

TITLE = "Why experts at all?"
FULL_SIZE = (
    "At full size: OLMoE-1B-7B has 7 billion parameters and uses 1 billion for a token. Its "
    "authors report that it outperforms all available models with a similar number of active "
    "parameters, and even larger ones such as Llama2-13B-Chat."
)
LOSS, EVEN = "balance loss", "1: all experts used alike"
SOURCE = "arXiv 2409.02060, abstract."
BALANCE = (
    "A router left alone may come to send everything to a few experts, and the others learn "
    f"nothing. So training adds a small loss for {glossary.link('load balancing')}: it is 1 when "
    "all experts are used alike, and larger when they are not."
)
BALANCE_TITLE = "What keeps all experts in use?"
CURVE = "the curve of its training, and held-out text"


def parameters(total: int, active: int, k: int, experts: int) -> str:
    """What a token uses of all that is there; Markdown."""
    if active == total:
        return (
            f"With all {experts} experts a token uses all {billions(total)} parameters: the model "
            "does as much work as a dense one of its size."
        )
    return (
        f"The bundled model holds {billions(total)} parameters, but with {k} of {experts} experts "
        f"a token uses only {billions(active)}, the {glossary.link('active parameters')}. A dense "
        f"model that does as little work for each token would have {billions(active)} parameters "
        f"in all, to know everything with: {total / active:.1f} times fewer."
    )


def held_out(least: float, greatest: float, dead: int) -> str:
    """How evenly the experts are used on text that the model has not seen."""
    none = "none is never used" if dead == 0 else f"{dead} are never used"
    return (
        f"On held-out text the least used expert gets {least:.2f} of its fair share and the most "
        f"used {greatest:.2f}; {none}."
    )
