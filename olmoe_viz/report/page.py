"""A report: one HTML file with a run's map, chosen cells, comparison and provenance.

It needs no other file and opens offline. Its policy lets no script run but that of the maps, in
frames that are closed off from the page. All that is foreign, texts and names, is escaped: by the
template, and in figures by their SVG.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from olmoe_viz.analysis.run import Run, run_of
from olmoe_viz.analysis.two_runs import difference
from olmoe_viz.errors import InputError
from olmoe_viz.figures import expert_load, layer_lines, rank_change, router_bars
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.interactive_map.alone import ALLOWED
from olmoe_viz.figures.labels import digits, expert_name, visible
from olmoe_viz.figures.palette import INKS
from olmoe_viz.figures.svg_canvas import legal
from olmoe_viz.numerics import routing
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import Record
from olmoe_viz.records.trace import Trace
from olmoe_viz.report.run_map import MOST_TOKENS, run_map

NEXT_TOKENS = 10
Cell = tuple[int, int]
Kept = Record | Comparison


@dataclass(frozen=True)
class _Drawn:
    """A figure as XML, in which all text is escaped, with the words above it."""

    title: str
    svg: str


def page(record: Kept, other: Kept | None = None, cells: Sequence[Cell] = ()) -> str:
    """Return the report's HTML.

    Of a comparison the first text is shown, and each other one set against it; then so is `other`,
    or where that is Effects of the run, they are listed.
    `cells` are (layer, token) whose router is drawn, layers counted over all blocks; without any,
    the last token in the first, the middle and the last layer of experts. Raises InputError for
    records that do not say how a text was routed, and for cells that are not in the run.
    """
    first, *others = [*_texts(record), *(() if other is None else _texts(other))]
    measured = [each for each in others if isinstance(each, Effects)]
    others = [each for each in others if not isinstance(each, Effects)]
    run = run_of(first)
    environment = Environment(
        loader=PackageLoader("olmoe_viz.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        inks=INKS["light"],
        run=run,
        text=legal(run.text),
        drawn=MOST_TOKENS,
        allowed=ALLOWED,
        map=run_map(first),
        cells=[_cell(run, *cell) for cell in cells or _usual_cells(run)],
        load=_drawn("", _load(run)),
        next_tokens=_next(first),
        effects=[cell for each in measured for cell in _effects(run, each)],
        comparisons=[_comparison(first, each) for each in others],
        provenance=_provenance(
            [(each.provenance, each.policy) for each in (run, *map(run_of, others))]
            + [(each.provenance, each.request.run.policy) for each in measured]
        ),
    )


def _texts(record: Kept) -> tuple[Record, ...]:
    return record.generations if isinstance(record, Comparison) else (record,)


def _drawn(title: str, figure: Figure, width: int = 860) -> _Drawn:
    return _Drawn(title, figure.to_svg(width))


def _usual_cells(run: Run) -> list[Cell]:
    layers = run.geometry.layer_ids
    chosen = dict.fromkeys((layers[0], layers[len(layers) // 2], layers[-1]))
    return [(layer, len(run.tokens) - 1) for layer in chosen]


def _row(run: Run, layer: int, token: int) -> int:
    """The row of a layer in the arrays; InputError for a cell that is not in the run."""
    if layer not in run.geometry.layer_ids or not 0 <= token < len(run.tokens):
        raise InputError(
            f"The run has no token {token} in a layer {layer} of experts: its tokens are 0 to "
            f"{len(run.tokens) - 1}, its layers {', '.join(map(str, run.geometry.layer_ids))}."
        )
    return run.geometry.layer_ids.index(layer)


def _cell_title(run: Run, layer: int, token: int) -> str:
    return f"Token {token} {visible(run.tokens[token])}, layer {layer}"


def _cell(run: Run, layer: int, token: int) -> _Drawn:
    row = _row(run, layer, token)
    figure = router_bars.figure(
        routing.probabilities(run.router_logits[row, token]),
        expert_ids=run.expert_ids[row, token],
        layer=layer,
        uses=recorded_uses(run.provenance.digest),
    )
    return _drawn(_cell_title(run, layer, token), figure)


def _load(run: Run) -> Figure:
    return expert_load.figure(
        routing.load(run.expert_ids, run.geometry.experts),
        tokens=len(run.tokens),
        layer_ids=run.geometry.layer_ids,
    )


def _next(record: Record) -> list[tuple[str, float]]:
    """The likeliest next tokens of a trace; a generation has none."""
    if not isinstance(record, Trace):
        return []
    pairs = zip(record.next_tokens, record.next_probabilities().tolist(), strict=True)
    return [(visible(token), share) for token, share in islice(pairs, NEXT_TOKENS)]


def _effects(run: Run, effects: Effects) -> list[dict[str, Any]]:
    """Each cell with its experts, strongest effect first; InputError for those of another run."""
    found = []
    for at, (layer, token) in enumerate(effects.request.cells):
        ran = run.expert_ids[_row(run, layer, token), token]
        if set(ran.tolist()) != set(effects.expert_ids[at].tolist()):
            raise InputError(f"The effects are of another run than {run.model}, {run.policy}.")
        rows = [
            {
                "expert": expert_name(expert, layer),
                "weight": digits(float(effects.weights[at, rank])),
                "kl": digits(float(effects.kl[at, rank])),
                "changed": effects.tops_changed[at, rank]
                and visible(effects.new_top_tokens[at][rank]),
            }
            for rank in np.argsort(-effects.kl[at], kind="stable").tolist()
            if (expert := int(effects.expert_ids[at, rank])) >= 0
        ]
        found.append({"title": _cell_title(run, layer, token), "rows": rows})
    return found


def _comparison(record: Record, other: Record) -> dict[str, Any]:
    first, second = run_of(record), run_of(other)
    found = difference(first, second)
    names = _names(first, second)
    figures = []
    if found.layers is not None:
        ids = first.geometry.layer_ids
        shared = found.layers.shared[None]
        figures = [
            _drawn(
                "Experts of the first run that the second used too",
                layer_lines.figure(shared, names=("shared",), quantity="share", layer_ids=ids),
            ),
            _drawn(
                "Share of the router probability that the experts keep",
                layer_lines.figure(
                    np.stack(found.layers.masses), names=names, quantity="mass", layer_ids=ids
                ),
            ),
        ]
    if isinstance(record, Trace) and isinstance(other, Trace):
        sides = [_side(trace) for trace in (record, other)]
        title = "The likeliest next tokens"
        figures.append(_drawn(title, rank_change.figure(sides[0], sides[1], names=names)))
    text = None if first.text == second.text else legal(second.text)
    return {
        "runs": (first, second),
        "text": text,
        "found": found,
        "figures": figures,
        "map": run_map(other),
    }


def _names(first: Run, second: Run) -> tuple[str, str]:
    """What tells two runs apart: their policies, else their models, else their order."""
    for one, two in ((first.policy, second.policy), (first.model, second.model)):
        if one != two:
            return str(one), str(two)
    return "first", "second"


def _side(trace: Trace) -> rank_change.Side:
    shares = trace.next_probabilities()[:NEXT_TOKENS]
    count = len(shares)
    return trace.next_ids[:count].tolist(), trace.next_tokens[:count], shares


def _provenance(origins: Sequence[tuple[Provenance, RoutingPolicy]]) -> list[dict[str, object]]:
    """The facts of each record; of several that differ only in their policy, once for all."""
    found: dict[str, tuple[dict[str, object], list[str]]] = {}
    for origin, policy in origins:
        facts = asdict(origin)
        versions = facts.pop("versions")
        facts["seconds"] = digits(facts["seconds"])
        facts["versions"] = ", ".join(f"{name} {number}" for name, number in versions.items())
        _, policies = found.setdefault(repr(facts), (facts, []))
        policies.append(str(policy))
    return [facts | {"policy": "; ".join(dict.fromkeys(each))} for facts, each in found.values()]
