"""The words of the page Compare k. Pure."""

from collections.abc import Sequence

from olmoe_viz.figures.labels import digits, k_is, number
from olmoe_viz.ui.widgets.wording import count, listed

# The head of the page and its controls.
TITLE = "What does each k write?"
INTRODUCTION = (
    "All columns continue the prompt at the same time, each with its own number of experts. Point "
    "at a token, or press Tab and the arrow keys, to see its probabilities and its experts."
)
LEGEND = (
    "Gray: same as the reference so far. ▼: first difference. Underlined: other differences. "
    "Upright bar: the reference has tokens here that this text lacks. The reference is the column "
    "chosen under “compare with”."
)
GENERATE = "Generate"
STOP = "Stop"
START = (
    "Press Generate to let the model write. Run, above, does the same with the prompt as it is "
    "typed there."
)
NO_MODEL = "No model runs here that could write a text."
READING_PROMPT = "Reading the prompt."
OTHER_MODEL = (
    "These texts are another model's. Choose that model again to measure them, or press Generate."
)
OTHER_WEIGHTS = (
    "These texts were written by other weights of this model than the ones here, so quality, cost "
    "and extra experts cannot be measured of them. The texts and their routing are as recorded."
)
EARLIER_PROMPT = ", for an earlier prompt"
CHOSEN_COLUMNS = "These columns were chosen under Columns. They do not follow the frame."
COMPARE_WITH = "compare with"
ADD_COLUMN, REMOVE_COLUMN, FRAME_COLUMNS = "Add a column", "Remove the last", "As in the frame"
TOKENS = "tokens to generate"
TEMPERATURE = "temperature (0: likeliest token)"
TOP_P = "top-p (1: from all tokens)"
SEED = "seed"
KEPT = " Kept from an earlier run."

# The heads of the tables.
QUANTITY = "quantity"
LAYER, EXTRA = "layer", "extra experts"

# Texts and their tokens.
ENDED = {"end": ", ended by itself", "stopped": ", stopped", "error": ", broken off"}
NO_MASS = "mean retained mass none yet"
BYTES = "bytes"

# The map of one column.
MAP_TITLE = "Which experts are used as it writes?"

# What was measured.
MEASURING_PROMPT = "Measuring every column on the prompt."
ROUTING_PROMPT = "Routing the prompt with the trained k."
QUALITY_TITLE = "Measured quality of each text and setting"
QUALITY_ALT = "What was measured of each text and setting"
PERPLEXITY = "perplexity of the prompt"
NONE_PREDICTED = "none: one token"
REPEATED = "repeated sequences of 4 tokens in the text"
LONGER_EXAMPLE = "Run a longer example"
LONGER_PROMPT = (
    "Once upon a time there was a little robot who lived in a small house by the sea. Every "
    "morning it swept the floor, watered the flowers and waited for a letter that never came. One "
    "day it heard a knock at the door, and"
)
HELD_OUT_TITLE = "The same settings on held-out text"
HELD_OUT_ALT = "Bits per byte of the same settings on held-out text"
HELD_OUT = (
    "Mean of ten domains; less is better. Where a value lies within the interval of another, this "
    "measurement cannot tell the two apart. The page Quality has all of it."
)
NOT_MEASURED = "not measured"
BITS, INTERVAL = "bits per byte", "95% interval"

# Routing.
DRIFT_TITLE = "Routing drift"
KEPT_EXPERTS, MASS, GAIN = "experts kept", "retained mass", "gain"

# Extra experts.
EXTRA_TITLE = "What did the extra experts add?"
NO_PAIR = "No two columns with different k part here, so there is no place to look at."
PAIR = "two columns that part"
COMPARING_PAIR = "Looking at the first token where they part."
DIRECT_ONLY = (
    "Only the direct way to the output is counted. How later layers react to the outputs of the "
    "extra experts is left out, so the two logits need not explain the choice."
)
BY_LAYER = "The extra experts by layer"
BY_LAYER_WORDS = (
    "Each expert as layer·expert, with its routing weight × the norm of its output in brackets."
)

# Under the progress.
NO_SHARE = "Share of the bandwidth limit: none until it is measured, after the first texts."

# Files.
CSV, JSON = "Download CSV", "Download JSON"


def column_name(k: int, weighting: str) -> str:
    """What a column is called."""
    return f"{k_is(k)}, {weighting}"


def numbered(column: int, name: str) -> str:
    """What a column is called where another has the same name."""
    return f"column {column}: {name}"


def k_of(column: int) -> str:
    """The label of the control of a column's k."""
    return f"k of column {column}"


def weights_of(column: int) -> str:
    """The label of the control of a column's weights."""
    return f"weights of column {column}"


def columns_button(ks: Sequence[int]) -> str:
    """The label of the control of the columns."""
    return f"Columns: {k_is(listed(ks))}"


def sampling_button(tokens: int, temperature: float) -> str:
    """The label of the control of the sampling."""
    drawn = f"temperature {temperature:g}" if temperature else "greedy"
    return f"{count(tokens, 'token')}, {drawn}"


def frame_columns(k: int, against: int, doubled: Sequence[int]) -> str:
    """The rule by which the columns follow from the frame."""
    further = f" and its doubles {listed(doubled[1:])}" if len(doubled) > 1 else ""
    return (
        f"The columns follow the frame: its {k_is(k)}, its against = {against}, the trained "
        f"{k_is(doubled[0])}{further}."
    )


def limits(columns: int | None, tokens: int | None) -> str:
    """What a server allows less of than the page: columns, tokens of a text, or both."""
    said = [
        *([] if columns is None else [f"at most {count(columns, 'column')}"]),
        *([] if tokens is None else [f"texts of at most {count(tokens, 'token')}"]),
    ]
    return f"This server writes {' and '.join(said)}."


def experts_per_token(weighting: str) -> str:
    """What the numeral of a column counts."""
    return f"experts per token, {weighting} weights"


def progress(written: int, asked: int, columns: int, seconds: float) -> str:
    """How far the writing is, and the one speed of what is written together."""
    speed = written / seconds if seconds else 0.0
    return (
        f"{written} of {asked} tokens in each column, {count(columns, 'column')} together at "
        f"{speed:.1f} tokens/s each, {seconds:.1f} s"
    )


def common_speed(largest: int, share: float | None, *, written: bool) -> str:
    """Whose speed the columns have; where text was `written`, also its share of the limit."""
    reached = "" if share is None else f" Together {share:.1%} of the bandwidth limit."
    if written and share is None:
        reached = f" {NO_SHARE}"
    return (
        f"The common speed is that of the largest, {k_is(largest)}, at best: each column's own "
        f"speed is measured alone, under Cost.{reached}"
    )


def column_facts(tokens: int, finish: str, mass: float | None) -> str:
    """What is said under a text."""
    retained = NO_MASS if mass is None else f"mean retained mass {mass:.3f}"
    return f"{count(tokens, 'token')}{ENDED.get(finish, '')}\n{retained}"


def active(parameters: str, share: float) -> str:
    """How much of the model a token uses."""
    return f"{parameters} parameters active, {share:.1%} of all (derived)"


def text_of(name: str) -> str:
    """Whose text it is, for a screen reader."""
    return f"Text of {name}; arrow keys go from token to token"


def probability_at(name: str) -> str:
    """A line of a token's card."""
    return f"probability at {name}"


def trained(k: int) -> str:
    """The trained k among the names of columns."""
    return f"the trained {k_is(k)}"


def surest_layer(layer: int, layers: int) -> str:
    """The layer whose router gives one expert the most, and its experts."""
    return f"surest router, layer {layer} (0 to {layers - 1}): experts"


def other_has(name: str) -> str:
    """The tokens of the reference in the place of a token."""
    return f"{name} has"


def map_words(name: str, term: str) -> str:
    """What the map of one column shows; `term` links to the glossary."""
    return (
        f"For each token that {name} writes, the strongest {term} of every layer. This is the "
        "reference column."
    )


def reading_again(at: int, texts: int) -> str:
    """While the trained k reads a text."""
    return f"Reading text {at} of {texts} again with the trained k."


def quality_words(trained_k: int, terms: str) -> str:
    """What the measured quality tells; `terms` are links to the glossary."""
    return (
        f"What these can tell: how far a setting moves from {k_is(trained_k)} on this prompt, and "
        "how well it predicts the prompt. What they cannot: whether the text is true or good, or "
        "which k is better in general; a few tokens decide little, and a text without repetition "
        f"can still be bad. In the glossary: {terms}."
    )


def log_likelihood(tokens: int) -> str:
    """A line of the table."""
    return f"negative log-likelihood of the prompt, mean of {count(tokens, 'token')}, nats"


def divergence(trained_k: int) -> str:
    """A line of the table."""
    return f"KL divergence from {k_is(trained_k)}, mean over the prompt, nats"


def agreement(trained_k: int) -> str:
    """A line of the table."""
    return f"same likeliest token as {k_is(trained_k)}"


def no_perplexity(tokens: int, least: int) -> str:
    """Why the table has no perplexity."""
    return (
        f"Perplexity means something from {least} predicted tokens on; this prompt has {tokens}, "
        "so the table leaves it out."
    )


def interval(low: float, high: float) -> str:
    """The ends of an interval of bits per byte."""
    return f"{low:.3f} to {high:.3f}"


def drift_words(terms: str) -> str:
    """What the small figures show; `terms` are links to the glossary."""
    return (
        "By layer, the mean over the tokens of the prompt, which are the same in every column. In "
        f"the glossary: {terms}."
    )


def drift_quantities(trained_k: int, *, fewer: bool) -> dict[str, str]:
    """What each row of the small figures shows; `fewer` where a column has less than that k."""
    ranked = f" Where fewer ran, the router's ranking is followed to {trained_k}." if fewer else ""
    return {
        KEPT_EXPERTS: f"Of the {trained_k} experts chosen at {k_is(trained_k)}, the share that is "
        f"among the first {trained_k} here.{ranked} Below 1, earlier layers have changed what the "
        "router sees.",
        MASS: "Sum of the router probabilities of the experts that ran, of 1.",
        GAIN: "Sum of the weights that the experts' outputs are multiplied by.",
    }


def both(one: str, other: str) -> str:
    """Two columns that can be chosen."""
    return f"{one} and {other}"


def quoted(before: str, *, cut: bool) -> str:
    """The end of the text before a place; `cut` where there is more."""
    return f"{'… ' if cut else ''}{before.lstrip(' ') or 'the prompt'}"


def logit_of(token: str) -> str:
    """The head of a column of the table."""
    return f"logit of {token}"


def second(head: str) -> str:
    """The head of a column where the one before has the same."""
    return f"{head} (second)"


def and_more(number_left: int) -> str:
    """After the experts that a line names."""
    return f" and {number_left} more"


def where_they_part(before: str, names: tuple[str, str], columns: tuple[str, str]) -> str:
    """The place that is looked at: what was written before it, and the two tokens there."""
    return (
        f"After “{before}” the two texts part: “{names[0]}” in the column {columns[0]}, "
        f"“{names[1]}” in the column {columns[1]}."
    )


def extra_moves(ks: tuple[int, int], names: tuple[str, str], moves: tuple[float, float]) -> str:
    """What the experts beyond the smaller k do to the logits of the two tokens."""
    first, second = moves
    return (
        f"At {k_is(ks[1])}, the experts of rank {ks[0] + 1} to {ks[1]} together move the logit of "
        f"“{names[0]}” by {number(first, '+.3g')} and that of “{names[1]}” by "
        f"{number(second, '+.3g')}: directly they favor “{names[int(second > first)]}” by "
        f"{digits(abs(second - first))}."
    )
