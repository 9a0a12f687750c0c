"""The stops of the tour: what is said, on which page, and what is selected there.

Pure: knows neither the session nor the widgets.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from olmoe_viz.models.catalogue import Entry
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.widgets.routing_map import View

Question = Literal["mass", "domains", "quality", "mattered", "mathematics"]


@dataclass(frozen=True)
class OwnQuestion:
    """A question of a teacher's own, with the one option that is right and why it is."""

    text: str
    options: tuple[str, ...]
    right: str
    because: str


@dataclass(frozen=True)
class Stop:
    """One stop.

    Title and text are shown as typed, an empty line begins a paragraph; those of ours may name
    {layers} and {experts} of a model, and `on` fills them in. `page` is the name of a file in
    pages/, `target` the key of the element that is pointed at, `words` are terms of the glossary.
    `selection` is put in force except for its model, which stays the visitor's, and with
    `against_all` with all experts for its second k. `view` is the color of the map's cells.
    """

    title: str
    text: str
    page: str
    target: str
    words: tuple[str, ...]
    selection: Selection = field(default_factory=Selection)
    against_all: bool = False
    view: View = "strongest"
    question: Question | OwnQuestion | None = None

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
        *texts.ONE_TOKEN,
        page="map",
        target="map",
        words=("token", "layer", "expert", "router"),
    ),
    Stop(
        *texts.PROBABILITIES,
        page="map",
        target="bars",
        words=("router logits", "softmax", "router probabilities"),
    ),
    Stop(
        *texts.CUTOFF,
        page="map",
        target="bars",
        words=("top-k", "cutoff", "margin"),
        # Not the layer of the stop before: its cell keeps about what is asked for.
        selection=Selection(layer=0),
        question="mass",
    ),
    Stop(
        *texts.LEFT_OUT,
        page="map",
        target="map",
        words=("retained mass", "routing weights"),
        view="mass",
    ),
    Stop(
        *texts.DOMAINS,
        page="quality",
        target="domains",
        words=("domain specialization", "load"),
        question="domains",
    ),
    Stop(
        *texts.STEP_BY_STEP,
        page="follow",
        target="follow_bar",
        words=("embedding", "attention", "residual stream", "logit lens"),
    ),
    Stop(
        *texts.SAME_WEIGHTS,
        page="follow",
        target="follow_weighting",
        words=("gain", "native weights", "renormalized", "gain-anchored"),
        against_all=True,
    ),
    Stop(
        *texts.ALL_EXPERTS,
        page="map",
        target="map",
        words=("drift", "hidden state"),
        against_all=True,
        view="drift",
    ),
    Stop(
        *texts.TEXTS,
        page="compare",
        target="compare_controls",
        words=("prefill", "decode", "active parameters"),
        against_all=True,
        question="quality",
    ),
    Stop(
        *texts.BETTER,
        page="quality",
        target="quality_figures",
        words=("bits per byte", "perplexity"),
    ),
    Stop(
        *texts.MATTERED,
        page="map",
        target="bars",
        words=("routing weights", "router probabilities"),
        question="mattered",
    ),
    Stop(
        *texts.MATHEMATICS,
        page="quality",
        target="domains",
        words=("domain specialization", "bits per byte"),
        selection=Selection(layer=4),
        question="mathematics",
    ),
)


def number_from(text: str, stops: int) -> int | None:
    """The one of so many stops, from 1, that a URL names; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        return None
    return int(text) if 1 <= int(text) <= stops else None
