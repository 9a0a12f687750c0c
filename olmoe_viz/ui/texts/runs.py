"""The words of the page Runs, and of the button that saves a run."""

from collections.abc import Sequence

from olmoe_viz.ui import glossary

TITLE = "Runs as files"
INTRODUCTION = (
    "A run can be kept as one file, sent to others and opened again, also where no model runs. It "
    "holds the text, the routing, and where the numbers are from."
)
KEEP_TITLE, OPEN_TITLE, OPENED_TITLE = "Save", "Open", "Opened runs"
TWO_TITLE = "Two runs set against each other"
NOTHING_TO_KEEP = "There is no run yet. Run a prompt on the page Map, or write texts on Compare k."
CURRENT, CURRENT_TEXTS = "current run", "current texts"
UPLOAD = "A file of a run (.safetensors)"
READ_HERE = (
    "The file is read on the server, for you alone, and forgotten when you close it or leave."
)
FOLDER = "Runs of this server"
OPEN = "Open"
CHOOSE = "Choose a run"
SHOW, CLOSE = "Show on the pages", "Close"
REPORT, REPORT_OF_BOTH = "Save report", "Save report of both"
HALF = "Router logits in half precision"
ROUNDED = "Router logits rounded to float16."
HALF_HELP = (
    "The file has little over half the size. Logits and what is computed from them are right to "
    "three digits; experts and weights are those that ran, unchanged."
)
NONE_OPENED = "No run is open. Choose a file above."
NEEDS_TWO = "Open a run: it can be set against the current one, or against another opened one."
FIRST, SECOND = "first run", "second run"
NEXT_TITLE = "next tokens"
TOKEN, PROBABILITY = "token", "probability"
SHARED, SHARE = "shared experts", "share"
MASS = "retained mass"
LOAD_DISTANCE, DISTANCE = "distance of loads", "distance"
NO_NEXT = "A written text has no list of next tokens; only the run of a prompt has one."
COMPARED_ONLY = "It can be set against another run below, but not be shown on the other pages."
UNKNOWN_MODEL = f"{COMPARED_ONLY} Its model is none of those that are offered here."
NO_TEXT = f"{COMPARED_ONLY} Its text does not fit the field of the prompt."
ROUTING = f"{COMPARED_ONLY} Its routing has no place in the controls of k."
SETTINGS = f"{COMPARED_ONLY} Its settings have no place in the controls of Compare k."
ONE_TEXT = f"{COMPARED_ONLY} The file holds one written text, and Compare k shows several."
ROUTES_TITLE = "Routes of other tools"
ROUTES = (
    "A table with the columns token, layer and expert (.csv or .parquet; rank, logit, probability "
    "and weight where they are known), or the answer of a server with routed_experts in it (.json; "
    "ids in base64 without a shape are read with the layers and the k of the chosen model). Such a "
    "file names the experts that ran and says nothing of the others, so it is drawn here and on no "
    "other page. Of a .parquet that olmoe-viz export wrote, model, tokens and date are known too."
)
ROUTES_FILE = "A file of routes (.csv, .parquet, .json)"
ROUTES_LOAD = "How often each expert was used, over all tokens."


def save(what: str, size: int) -> str:
    """The button that saves a run."""
    return f"Save {what}, {megabytes(size)}"


def save_full(size: int) -> str:
    """The button that saves a trace with all that was recorded."""
    return f"Save trace with hidden states, {megabytes(size)}"


def at_most(label: str, most: int) -> str:
    """The label of a field for a file of at most so many bytes."""
    limit = f"{most // 10**3} kB" if most < 10**6 else megabytes(most)
    return f"{label}, at most {limit}"


def from_file(name: str) -> str:
    """On a page: whose numbers it shows. `name` is Markdown of its letters."""
    return f"From the opened file {name}. Close it on the page Runs, and the model is asked again."


def routes(tokens: int, layers: int, most: int, known: Sequence[str], *, drawn: int) -> str:
    """What a file of routes holds, and how much of it the map shows."""
    said = (
        f"{tokens:,} tokens, {layers} layers, up to {most} experts of each token; known of them: "
    )
    said += f"{', '.join(['the id', *known])}. The map shows the first of each cell"
    return f"{said}, of the first {drawn:,} tokens." if drawn < tokens else f"{said}."


def too_large(name: str, size: int, most: int) -> str:
    """A file is not read because of its size."""
    return f"{name} has {megabytes(size)}; a file may have {megabytes(most)}."


def no_run(name: str, kind: str) -> str:
    """A file holds a record that is about no whole text."""
    return (
        f"{name} holds a record of kind {kind}, and no page shows it: pages open traces, "
        "generations and comparisons. The command olmoe-viz show prints it."
    )


def gone(name: str) -> str:
    """A file of the folder cannot be read any more."""
    return f"{name} cannot be read. It may have been moved."


def no_room(name: str) -> str:
    """An uploaded file has no place on the server's disk."""
    return f"{name} cannot be opened now: the server's disk is full. Try again later."


def megabytes(size: int) -> str:
    """Bytes in MB, one decimal below 10."""
    return f"{size / 1e6:.1f} MB" if size < 10**7 else f"{size / 1e6:,.0f} MB"


def same_tokens(count: int) -> str:
    """Both runs have the same tokens."""
    return f"Both runs have the same {count:,} tokens."


def part_at(place: int, first: str, second: str) -> str:
    """Where the tokens of two runs first differ."""
    return f"The tokens first differ at token {place:,}: {first} against {second}."


END = "the end of the text"
SAME = "Tokens, experts and weights are the same in all bits."


def layers_words(common: int) -> str:
    """About the lines of two runs."""
    return (
        f"Over the {common:,} tokens that both begin with. The {glossary.link('drift')} is read "
        "from the share of the first run's experts that the second used too, for the same token."
    )


MASS_WORDS = f"The {glossary.link('retained mass')} of the experts that ran, over the same tokens."
LOAD_WORDS = (
    f"How far the {glossary.link('load')} of the experts differs: half the summed difference of "
    "their shares. 0 means that all experts are equally busy in both, 1 that none is in common."
)
