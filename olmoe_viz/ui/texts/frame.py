"""The words of the frame, of what is waited for, and of models that must be fetched first."""

from olmoe_viz.models.catalogue import BUNDLED, Entry, OnDisk
from olmoe_viz.policy import Weighting
from olmoe_viz.ui import glossary
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

PROMPT = "Prompt"
K, AGAINST, WEIGHTS, MODEL = "k", "against", "weights", "Model"
EXACT_K, EXACT_AGAINST = "k, any number", "against, any number"
PLACEHOLDER = "Type a text of your own"
RUN = "Run"
TRY = "Try"
SKIP_TO_MAP = "Skip to the map"
COPY_LINK = "Copy link"
COPYING = {
    "copied": "Copied",
    "copied_without": "Copied without the prompt: it is too long",
    "not_allowed": "The browser did not allow copying; copy the address bar",
}
K_HELP = glossary.term("top-k")
WEIGHTS_HELP = "\n\n".join(
    f"{name}: {glossary.term(name)}" for name in ("native weights", "renormalized", "gain-anchored")
)
# What the second k changes, on the pages that have it, by their addresses.
AGAINST_HELP = {
    "": "A second k to compare with. Here it changes the card of a cell, the dotted line of the "
    "retained mass, and the view drift.",
    "follow": "A second k to compare with, in the steps that show what k changes.",
    "compare": "A second k: it has a column of its own.",
}
ASK_A_PROMPT = {*AGAINST_HELP, "lab"}  # the addresses of pages that run a prompt
NOT_RUN = "Not run yet. Below is still the previous prompt: press Run (Ctrl+Enter)."
NO_PROMPT = "The prompt is empty. Type a text above and press Run."
NOTHING_ASKED = "Type a prompt above and press Run to see where its tokens are sent."

CHAT_TEMPLATE = "chat template"
CHAT_TEMPLATE_SAYS = {
    True: "This model was tuned on conversations, so the prompt is read as a message in its chat "
    "template. The template's tokens are in italics; measures of the prompt count them too.",
    False: "This model was tuned on conversations; the prompt is read without its chat template.",
}

DETAIL_NOT_IN_FILES = (
    "The opened file does not hold this. Close it on the page Runs, and the model can compute it."
)
TOKENS, STEPS = "tokens", "steps"
RUNNING = "Running the prompt through the model."
LOADING_BUNDLED = "Loading the model. The first run takes a few seconds."
PREPARING = "Compiling and testing the GPU kernels. This happens once, in some ten seconds."
RESTARTING = "The engine ended and is started again. What you asked for is begun again by itself."
MAY_NOT_LOAD = (
    "The operator of this server lets only some people load large models. Sign in as one of them, "
    "or go on with the bundled model."
)
SIGN_IN, SIGN_OUT = "Sign in", "Sign out"
SIGN_IN_FIRST = "The operator of this server asks you to sign in."
NOT_INVITED = "This account is not among those that may see this. Sign in with another one."
LOADING_LARGE = "Loading the model. It is large: the first run can take minutes."
READING_WEIGHTS = "Reading the weights."
AGAIN = "Try again"
BACK = f"Back to {BUNDLED}"


def not_in_files(policy: str) -> str:
    """Of a text that was opened from a file, a run under another policy is missing."""
    return (
        f"No opened file holds this text with {policy}. Open one, or close this text's file on the "
        "page Runs, and the model can run it."
    )


def settings(k: int, against: int | None, weighting: Weighting) -> str:
    """The line of settings on a phone, which opens their controls."""
    other = "" if against is None else f" against {against}"
    weights = "" if weighting == "native" else f", {WEIGHTING_NAMES[weighting]}"
    return f"k {k}{other}{weights}"


def revision(name: str) -> str:
    """At which commit, branch or tag a model is loaded."""
    return f"Revision {name}"


def longest_prompt(tokens: int) -> str:
    """How long a prompt may be."""
    return f"A prompt may have {tokens:,} tokens with this model. A longer one is refused, not cut."


def in_line(before: int, seconds: float | None) -> str:
    """Where one stands in the line of a busy server, and about how long that takes."""
    people = "1 person is" if before == 1 else f"{before} people are"
    about = "" if seconds is None else f" About {max(round(seconds), 1)} s."
    return f"The server is busy. {people} before you.{about}"


def downloaded(arrived: int, total: int) -> str:
    """How far a download is."""
    return f"{size(arrived)} of {size(total)} downloaded. What has arrived is kept after a stop."


def question(model: Entry, there: OnDisk) -> str:
    """What fetching a model would take, and what of it is here."""
    minutes = max(round((model.download - there.arrived) * 8 / 1e8 / 60), 1)
    words = (
        f"{model.name} is not on this machine yet. It is a download of about "
        f"{size(model.download)}, and needs {size(model.memory)} of memory to run. "
    )
    if there.arrived:
        words += f"{size(there.arrived)} have arrived already; the download goes on from there. "
    return words + (
        f"At 100 Mbit/s it takes about {minutes} minutes. {size(there.free)} of the disk are free."
    )


def refusal(model: Entry, there: OnDisk) -> str | None:
    """Why a model cannot be fetched here; None when it can."""
    missing = model.download - there.arrived
    if there.hub_is_off:
        return (
            f"{model.name} is not on this machine, and downloads are switched off here: "
            "HF_HUB_OFFLINE is set. Start the application without it to download the model."
        )
    if there.free < missing:
        return (
            f"{model.name} is not on this machine, and the disk has no room for it: "
            f"{size(missing)} are missing and {size(there.free)} are free."
        )
    return None


def download(model: Entry, there: OnDisk) -> str:
    """The button that begins a download, or goes on with one."""
    missing = max(model.download - there.arrived, 0)
    return f"Download {size(model.download)}" if not there.arrived else f"Go on, {size(missing)}"


def size(count: int) -> str:
    """Bytes in GB, with as many digits as anybody wants."""
    return f"{count / 1e9:.1f} GB" if count < 10**10 else f"{count / 1e9:,.0f} GB"
