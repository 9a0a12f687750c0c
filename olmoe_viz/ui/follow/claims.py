"""Popular claims about more experts, each beside what was found."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.analysis.tradeoff import TradeOff
from olmoe_viz.figures.labels import digits, visible
from olmoe_viz.numerics import costs, routing
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.records.prediction import Predictions
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import claims as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.wording import billions, plain

_SHOWN_KS = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Answer:
    """A claim, what was found, and where the finding is from; nowhere while nothing was found.

    `found` is Markdown of ours, `details` what the origin's help adds.
    """

    claim: str
    found: str
    source: origin.Origin | None
    details: str = ""


@dataclass(frozen=True)
class Certainty:
    """What the runs of both ks predict, and how uncertain they are along the prompt.

    `entropies` are of the last tokens of the prompt under both ks, [tokens] each, None before the
    visitor has asked for them.
    """

    predictions: tuple[Predictions, Predictions]
    entropies: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def draw(answers: list[Answer]) -> None:
    """The claims as two columns: what is said, and what was found."""
    st.subheader(texts.HEADING, anchor=False)
    # Laid out by follow.css: every element more is milliseconds more in each redraw of the page.
    with st.container(key="claims", gap=None):
        for answer in answers:
            st.markdown(f"“{answer.claim}”\n\n{answer.found}")
            if answer.source is not None:
                origin.badge(answer.source, answer.details)


def answers(
    place: Place,
    probabilities: NDArray[np.float64],
    source: origin.Origin,
    rows: list[TradeOff],
    certainty: Certainty | str,
) -> list[Answer]:
    """Every claim with its answer, those first that one meets most often.

    Args:
        place: the ks and the model's sizes.
        probabilities: of the router in the run, [layers of experts, tokens, experts].
        source: where the run is from.
        rows: what was measured of this prompt.
        certainty: what the runs predict, or why that is not known.
    """
    trained, most = place.geometry.trained_k, place.geometry.experts
    doubled = min(2 * trained, most)
    measured = {row.k: row for row in rows}
    knowledge = _knowledge(place, probabilities, source, measured, doubled)
    return [
        Answer(texts.MORE_IS_BETTER, held_out(), "recorded"),
        Answer(texts.all_are_best(most), *_largest(place, measured, doubled)),
        Answer(texts.CONFIDENCE, *_confidence(place, certainty)),
        Answer(texts.knowledge(doubled), *knowledge),
        Answer(texts.PARAMETERS, _parameters(), "derived"),
        Answer(texts.half_of_the_mass(trained), _mass(place, probabilities), source),
        Answer(
            texts.REST, texts.rest_found(most), "derived", "Here: from the block's own formula."
        ),
        Answer(texts.IDS, texts.IDS_FOUND, "quoted", "OLMoE's tokenizer."),
    ]


def held_out() -> str:
    """Bits per byte on held-out text, recorded for the bundled model only."""
    table = tables.table("quality")
    rows = table[(table["domain"] == tables.ALL) & (table["weighting"] == "native")]
    rows = rows.sort_values("k")
    ks = [int(k) for k in rows["k"]]
    values = tables.lines(rows)["native"]
    bits = dict(zip(ks, values[0].tolist(), strict=True))
    shown = {k: bits[k] for k in _SHOWN_KS if k in bits}
    return texts.held_out(shown, tables.equal_to_best(ks, values))


def _largest(
    place: Place, measured: Mapping[int, TradeOff], doubled: int
) -> tuple[str, origin.Origin | None]:
    most = place.geometry.experts
    if most not in measured or doubled not in measured:
        return texts.MEASURE, None
    far, near = measured[most], measured[doubled]
    token = None if far.same_top else plain(visible(far.top_token))
    return texts.largest(most, doubled, (far.kl, near.kl), token, place.weighting), "live"


def _confidence(place: Place, certainty: Certainty | str) -> tuple[str, origin.Origin | None]:
    if isinstance(certainty, str):
        return certainty, None
    one, two = certainty.predictions
    said = texts.confidence(
        place.ks,
        (float(one.entropies[0]), float(two.entropies[0])),
        (float(one.probabilities[0, 0]), float(two.probabilities[0, 0])),
    )
    if certainty.entropies is None:
        more = texts.MEASURE_MORE
    else:
        before, after = certainty.entropies
        more = texts.certain_how_often(place.ks, int((after < before).sum()), len(before))
    return f"{said} {more} {texts.CERTAIN_IS_NOT_RIGHT}", "live"


def _knowledge(
    place: Place,
    probabilities: NDArray[np.float64],
    source: origin.Origin,
    measured: Mapping[int, TradeOff],
    doubled: int,
) -> tuple[str, origin.Origin]:
    """From a run of each k where they were measured, as in the table above the claims."""
    ks = place.geometry.trained_k, doubled
    if all(k in measured for k in ks):
        low, high = (measured[k].retained_mass for k in ks)
        return texts.knowledge_found(ks, (low, high), None), "live"
    low, high = (float(routing.retained_mass(probabilities, k).mean()) for k in ks)
    return texts.knowledge_found(ks, (low, high), place.k), source


def _parameters() -> str:
    active = [
        billions(costs.active_parameters(OLMOE_1B_7B, k)).replace(" B", "") for k in (8, 16, 32, 64)
    ]
    return texts.parameters_found(active)


def _mass(place: Place, probabilities: NDArray[np.float64]) -> str:
    medians = np.median(routing.retained_mass(probabilities, place.geometry.trained_k), axis=1)
    layers = place.geometry.layer_ids
    low, high = int(medians.argmin()), int(medians.argmax())
    least, most = ((digits(float(medians[at])), layers[at]) for at in (low, high))
    return texts.mass(place.k, least, most)
