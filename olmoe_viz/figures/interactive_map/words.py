"""The words in the routing map, on every page that has one. Braces hold what the browser knows."""

from collections.abc import Mapping, Sequence

from olmoe_viz.figures.labels import OF_TEMPLATE, k_is

# What the map starts with (map.html).
HTML: Mapping[str, str] = {
    "role": "routing map",
    "waiting": "The map appears with the first token.",
    "token_back": "← token",
    "token_on": "token →",
    "layer_back": "← layer",
    "layer_on": "layer →",
    "range": "Select a range",
    "select": "Click or Enter selects.",
    "select_range": "Drag, or hold Shift, for a range.",
    "arrows": "Arrow keys move.",
    "escape": "Escape leaves one cell of a range.",
    "touch": "Tap a cell to select it. Drag to scroll.",
}
# What its script says. Of two entries the first is for one thing, the second for several.
SCRIPT: Mapping[str, str | Sequence[str]] = {
    "map": (
        "Routing map, {count} token by {layers} layers",
        "Routing map, {count} tokens by {layers} layers",
    ),
    "empty": "Routing map, still empty",
    "layer": "layer",
    "first_corner": "Choose the first cell.",
    "last_corner": "Now choose the last cell.",
    "layers_seen": "layers {from} to {to} (of {first} to {last})",
    "tokens_seen": "tokens {from} to {to} (of 0 to {last})",
    "seen": "In view: {parts}. Drag the map to see the rest.",
    "cell": "token {token} · layer {layer}",
    "of_template": OF_TEMPLATE.capitalize(),
    "spoken": ("Token {token}, {text}, layer {layer}. Expert {layer}·{expert}, {strongest}."),
    "bytes": ("1 byte", "{count} bytes"),
    "characters": ("1 character", "{count} characters"),
    "part_of": ("part of the character", "part of the characters"),
    "mass_of_top": "mass of the top {k}",
    "mass": "mass of those that ran",
    "kept_by": "{name} would keep",
    "factor": "weight = p ×",
    "entropy": "entropy",
    "nats": "{value} nats",
    "margin": "margin",
    "dropped_out_of": "not in the other run's top {k}",
    "some_of": "{count} of {k}",
    "dropped_out": "not among the other run's",
    "mattered": "mattered most",
    "effect": "without it the prediction moves by",
    "nats_of_kl": "{value} nats of KL",
    "not_measured": ("effect", "not measured"),
    "selected": "expert {layer}·{expert}, selected",
    "cut_off": "expert {layer}·{expert}, cut off",
    "strongest_of": "strongest of {ran}, {probability}",
    "strongest": "strongest, {probability}",
    "used_for": "used most for",
    "no_use": "nothing in particular",
    "shown": "strongest {shown} of {ran} shown",
    "hollow": "hollow: cut off",
    "hollow_at": f"hollow: cut off at {k_is('{k}')}",
}
_IN_THE_CELL = (
    "Number: the strongest of the experts that ran; in another layer it is another expert. Ticks: "
    "all that ran, by their probability."
)
_INTENSITY = "Intensity: its probability"
_USES = (
    f"{_IN_THE_CELL} Color: the kind of text that uses it most; gray: none twice as often as "
    "chance."
)
# What a color means, and what the scale beside it counts.
LEGENDS: Mapping[str, tuple[str, str]] = {
    "strongest": (
        (
            f"{_IN_THE_CELL} Color tells the experts of one layer apart, and means nothing from "
            "one layer to another."
        ),
        _INTENSITY,
    ),
    "mass": ("Color: how much router probability the selected experts hold.", "Retained mass"),
    "entropy": ("Color: how evenly the router spreads its probability.", "Entropy in nats"),
    "margin": (
        "Color: how far the last selected expert is ahead of the first that is cut off.",
        "Margin in probability",
    ),
    "drift": (
        (
            "Color: how many of the k strongest are no longer among the k strongest in the other "
            "run; k is the smaller of the two."
        ),
        "Experts that dropped out",
    ),
    "effect": (
        (
            "Number: the expert that mattered most. Color: how far the prediction after the token "
            "moves when that expert is switched off. Empty cells are not measured."
        ),
        "Effect in nats of KL, logarithmic",
    ),
    "follow": (
        (
            "Color: the router probability of this expert, in its own layer; a frame marks where "
            "it ran. Other layers have other experts, also under the same id."
        ),
        "Probability",
    ),
}


def legend(view: str, *, uses_known: bool) -> tuple[str, str]:
    """What a color means in a view, and what the scale beside it counts."""
    return (_USES, _INTENSITY) if view == "strongest" and uses_known else LEGENDS[view]
