"""The stops of the tour: what is said, on which page, and what is selected there.

Pure: knows neither the session nor the widgets. The texts hold no measured figures; those are
computed or read while the tour runs, in `answers.py`.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from olmoe_viz.models.catalogue import Entry
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.widgets.routing_map import View

Question = Literal["mass", "domains", "quality"]


@dataclass(frozen=True)
class Stop:
    """One stop.

    Title and text may name {layers} and {experts} of a model; `on` fills them in. `page` is the
    name of a file in pages/, `target` the key of the element that is pointed at, `words` are terms
    of the glossary. `selection` is put in force except for its model, which stays the visitor's,
    and with `against_all` with all experts for its second k. `view` is the color of the map's
    cells.
    """

    title: str
    text: str
    page: str
    target: str
    words: tuple[str, ...]
    selection: Selection = field(default_factory=Selection)
    against_all: bool = False
    view: View = "strongest"
    question: Question | None = None

    def on(self, model: Entry) -> "Stop":
        """The stop as it is told and shown on a model."""
        sizes = {"layers": model.layers, "experts": model.experts}
        against = model.experts if self.against_all else self.selection.against
        return replace(
            self,
            title=self.title.format(**sizes),
            text=self.text.format(**sizes),
            selection=replace(self.selection, model=model.name, against=against),
        )


STOPS: tuple[Stop, ...] = (
    Stop(
        title="One token, {layers} layers",
        text="Each cell is one token of the prompt in one layer. In every layer a router "
        "chooses experts for the token anew; a cell has the color of the strongest one. Point at "
        "a cell, or tap it, to see all of them.",
        page="map",
        target="map",
        words=("token", "layer", "expert", "router"),
    ),
    Stop(
        title="{experts} probabilities",
        text="This is one cell in full. The router scores all {experts} experts, and softmax turns "
        "the scores into shares that sum to 1. Rarely does one expert have most of it.",
        page="map",
        target="bars",
        words=("router logits", "softmax", "router probabilities"),
    ),
    Stop(
        title="The cutoff",
        text="Only the k strongest experts run: the filled bars before the line. The hollow ones "
        "after it do nothing for this token, however close they came.",
        page="map",
        target="bars",
        words=("top-k", "cutoff", "margin"),
        # Not the layer of the stop before: its cell keeps about what is asked for.
        selection=Selection(layer=0),
        question="mass",
    ),
    Stop(
        title="What is left out",
        text="Now a cell shows how much of the probability its experts keep. The rest is dropped "
        "and nothing takes its place, so the weights of the chosen experts sum to less than 1.",
        page="map",
        target="map",
        words=("retained mass", "routing weights"),
        view="mass",
    ),
    Stop(
        title="Experts prefer domains",
        text="A row is a kind of text, a column an expert of one layer. Nobody told the experts "
        "apart before training; some now get far more of one kind than others do. That says "
        "where they are used, not what they know.",
        page="quality",
        target="domains_part",
        words=("domain specialization", "load"),
        question="domains",
    ),
    Stop(
        title="One cell, step by step",
        text="Here the same cell is taken apart: text, vector, attention, router, experts and "
        "their sum, down to the next token. The steps with vectors need the model, so give it a "
        "moment to run.",
        page="follow",
        target="follow_bar",
        words=("embedding", "attention", "residual stream", "logit lens"),
    ),
    Stop(
        title="More experts, same weights?",
        text="With native weights a larger k adds experts and leaves the weights of the others "
        "alone, so that the sum of all weights grows. Switch the weights here to gain-anchored: "
        "the sum stays as trained, and each expert that was chosen already gets less.",
        page="follow",
        target="follow_weighting",
        words=("gain", "native weights", "renormalized", "gain-anchored"),
        against_all=True,
    ),
    Stop(
        title="What k = {experts} really does",
        text="A cell shows how many of the token's k strongest experts are no longer among the k "
        "strongest when all {experts} run in every layer. The first layer sees the same input, so "
        "nothing differs there. After that the inputs change, and the routers with them.",
        page="map",
        target="map",
        words=("drift", "hidden state"),
        against_all=True,
        view="drift",
    ),
    Stop(
        title="Four texts at once",
        text="Press Generate. All columns continue the same prompt, each with its own k; a "
        "marker shows the first token that differs. Different is not better: what would show "
        "which k is best?",
        page="compare",
        target="compare_controls",
        words=("prefill", "decode", "active parameters"),
        against_all=True,
        question="quality",
    ),
    Stop(
        title="Does it get better?",
        text="The fair test is text that the model has never seen. Lower is better: the model "
        "needs fewer bits for each byte. Look for the lowest point of each line, and for what "
        "the weights change about it.",
        page="quality",
        target="quality_part",
        words=("bits per byte", "perplexity"),
    ),
)


def number_from(text: str) -> int | None:
    """The stop, from 1, that a URL names; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        return None
    return int(text) if 1 <= int(text) <= len(STOPS) else None
