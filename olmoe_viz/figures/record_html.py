"""A record as a notebook shows it: what was run, and the map of its strongest experts."""

from html import escape

from olmoe_viz.figures import routing_map
from olmoe_viz.figures.labels import shorten
from olmoe_viz.figures.palette import INKS
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace

MOST_TOKENS = 64  # more would have cells of a few pixels, and a picture of megabytes
_MOST_TEXT = 400


def html(record: Trace | Generation) -> str:
    """Return a record as HTML without scripts; all text in it is escaped.

    Of a long text the last 64 tokens are drawn, of a generation those that the model wrote.
    """
    count, drawn = len(record.tokens), slice(max(len(record.tokens) - MOST_TOKENS, 0), None)
    before = record.prompt_tokens if isinstance(record, Generation) else 0
    picture = ""
    if count:
        picture = routing_map.figure(
            record.expert_ids[:, drawn],
            routing.probabilities(record.router_logits[:, drawn]),
            tokens=record.tokens[drawn],
            layer_ids=record.geometry.layer_ids,
            first=before + drawn.start,
            uses=recorded_uses(record.provenance.digest),
        ).to_svg()
    inks = INKS["light"]
    return (
        f'<div style="max-width: 720px; background: {inks.paper}; color: {inks.ink}">'
        f"<div>{escape(_facts(record))}</div>{_texts(record)}{picture}</div>"
    )


def _facts(record: Trace | Generation) -> str:
    """The model, the policy, the tokens and how many of them are drawn, in one line."""
    count, source = len(record.tokens), record.provenance
    named = source.model if source.revision is None else f"{source.model} at {source.revision}"
    what = "generated tokens" if isinstance(record, Generation) else "tokens"
    shown = f", the last {MOST_TOKENS} are drawn" if count > MOST_TOKENS else ""
    return f"{named}, {record.policy}: {count:,} {what}{shown}. Color: the strongest expert."


def _texts(record: Trace | Generation) -> str:
    """The text that was read, and what was written; in `code`, where nothing is typeset."""
    texts = (record.prompt, record.text) if isinstance(record, Generation) else (record.text,)
    style = "white-space: pre-wrap; background: none; color: inherit"
    lines = (f'<code style="{style}">{escape(shorten(text, _MOST_TEXT))}</code>' for text in texts)
    return "".join(f"<div>{line}</div>" for line in lines)
