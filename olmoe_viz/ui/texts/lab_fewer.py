"""The words of the part of Lab in which fewer, more or other experts run."""

from collections.abc import Sequence

from olmoe_viz.analysis.held_out import PIECE, HeldOut
from olmoe_viz.figures.labels import digits, number
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui import glossary

TITLE = "Fewer, more, elsewhere"
KS = "Experts of a token, a slider a layer"
EXPERTS = "{k} experts"
BACK = "The k above in all layers"
FLOOR = "least probability"
FLOOR_HELP = (
    "Of the k experts only those run whose router probability is at least this; the strongest "
    "always runs."
)
NO_FLOOR = "none"
DOMAIN, ALL_EXPERTS = "choose among", "all experts"
DOMAIN_HELP = (
    "The experts that a kind of text uses most, counted on held-out text in every layer. No others "
    "can be chosen."
)
KEPT = "how many of them"
MASS = "lost mass of these"
AS_TRAINED = (
    "This is how the model was trained. Move a slider, or choose other experts, and what that "
    "costs is measured here."
)
MEASURE = "Measure what it costs"
COUNTED = "Which experts a kind of text uses most was counted on"
STOP = "Stop"
TRAINED, CHANGED, MORE = "as trained", "changed", "difference"
MEASURE_COLUMN = "measure"
HELD_OUT_BITS = "held-out text, bits per byte"
PROMPT_BITS = "this prompt, bits per byte"
PROMPT_KL = "this prompt, KL from the trained, nats"
PROMPT_SAME = "this prompt, same likeliest token"
NUMBERS = "What the change costs"
NO_HELD_OUT = (
    "There is held-out text for the bundled model only: what another model has read is not known "
    "here. So this is of the prompt alone."
)


def says_of_ks(trained_k: int) -> str:
    """About the sliders."""
    return (
        "A k for each layer, which stands at the left; a k that is not the trained one, "
        f"{trained_k}, stands out."
    )


def k_of(layer: int) -> str:
    """The name of a layer's slider, for a screen reader."""
    return f"k in layer {layer}"


def domain(name: str) -> str:
    """A kind of text in the control that chooses experts."""
    return f"those of {name}" if name else ALL_EXPERTS


def floor(value: float) -> str:
    """A least probability in its control."""
    return f"{value:g}" if value else NO_FLOOR


def asked(policy: RoutingPolicy, kept: tuple[str, int] | None) -> str:
    """What is measured, in one sentence; `kept` are a kind of text and how many of its experts."""
    ks = policy.k if isinstance(policy.k, tuple) else (policy.k,)
    each = {k for k in ks if k is not None}
    k = f"k {min(each)}" if len(each) == 1 else f"k from {min(each)} to {max(each)}"
    parts = [f"{k} in all layers" if len(each) == 1 else f"{k} by layer"]
    if policy.threshold:
        parts.append(f"experts with a probability of at least {policy.threshold:g} only")
    if policy.weighting != "native":
        parts.append(f"{policy.weighting.replace('_', '-')} weights")
    if kept is not None:
        parts.append(f"only the {kept[1]} experts of a layer that {kept[0]} uses most")
    return f"Changed: {', '.join(parts)}."


def says(kinds: int, tokens: int) -> str:
    """What a press will do."""
    if not kinds:
        return f"Reads the prompt both ways. {NO_HELD_OUT}"
    return (
        f"Reads the prompt and {kinds} held-out texts of {tokens} tokens, as trained and changed."
    )


def reading(done: int, total: int) -> str:
    """Beside the progress."""
    return f"{done} of {total} texts read"


def of_prompt(plain: float | None, changed: float | None, kl: float) -> str:
    """What the change does to the prompt."""
    moved = f"the predictions move by {digits(kl)} nats on average"
    if plain is None or changed is None:
        return f"On this prompt nothing is predicted that was given, and {moved}."
    more = changed - plain
    words = "more" if more > 0 else "less"
    if abs(more) < 0.0005:
        return f"On this prompt it needs as many bits per byte as trained, and {moved}."
    return (
        f"On this prompt it needs {digits(abs(more))} bits per byte {words} than as trained, and "
        f"{moved}. One text says little about others."
    )


def of_held_out(found: HeldOut, chosen: str = "") -> str:
    """What the change does to held-out text; `chosen` is the kind whose experts are kept."""
    more, low, high = found.more[-1].tolist()
    between = f"95% interval {number(low, '+.3f')} to {number(high, '+.3f')}"
    size = f"{number(more, '+.3f')} bits per byte ({between})"
    if low > 0:
        words = f"On held-out text it predicts worse: {size}."
    elif high < 0:
        words = f"On held-out text it predicts better: {size}."
    else:
        words = f"On held-out text no difference can be told: {size}."
    each = found.more[:-1, 0]
    least, most = found.kinds[int(each.argmin())], found.kinds[int(each.argmax())]
    words += (
        f" It costs least in {least}, {number(float(each.min()), '+.3f')}, and most in {most}, "
        f"{number(float(each.max()), '+.3f')}."
    )
    if chosen and chosen != least:
        rank = int((each < each[found.kinds.index(chosen)]).sum()) + 1
        words += f" {chosen}, whose experts stay, is number {rank} of {len(each)} from the least."
    return words


def figure_says(found: HeldOut, chosen: str = "") -> str:
    """What the dots are, and what they cannot say; `chosen` is the kind whose experts are kept."""
    words = (
        f"{found.tokens:,} held-out tokens, an excerpt of each of {len(found.kinds)} kinds, in "
        f"{glossary.link('bits per byte')}. The thin bars are 95% bootstrap intervals over pieces "
        f"of {PIECE} tokens, the same pieces for both; other excerpts may differ by more."
    )
    if chosen:
        words += " The experts were counted on more text, of which this is a part."
    return words


def value(numbers: Sequence[float], form: str = ".3f") -> str:
    """A value with its interval."""
    mean, low, high = (number(each, form) for each in numbers)
    return f"{mean} ({low} to {high})"
