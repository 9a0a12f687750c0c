"""How figures look, said once: the page's script and the SVG documents both take it from here.

Colors that carry no data are the inks of `palette.INKS`; the page has them as its theme.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dash = Literal["solid", "dash", "dot"]


@dataclass(frozen=True)
class Look:
    """Faces of the words and sizes of what is drawn; sizes in pixels unless it is said otherwise.

    Args:
        text_font: the face of words. "Source Sans" and "Source Code" are the faces that Streamlit
            serves itself; the rest are what a reader without them has.
        number_font: the face of ids and tokens.
        caption: size of words.
        small: size of ids and tokens.
        tiny: size of the names of bars where there are more than `many`.
        many: how many names of bars are too many for `small`.
        digit: width of a character in the face of numbers, in em; of text no wider on the mean.
        pitch: from one upright word below an axis to the next.
        slanted_from: the least pitch at which words slant; closer ones stand upright.
        name_gap: between the names of two bars; with less, two ids read as one number.
        tick: length of a tick mark.
        key: room for the key of lines below the axis, of two rows.
        key_row: from one row of the key to the next; a narrow figure with more grows by them.
        color_bar: width of the key of colors.
        cap: half the width of the end of an error bar.
        outline: width of the outline of a bar.
        ring: width of the outline of a dot with a fill of its own.
        box: width of the outline around a range.
        dashes: how lines are broken, as SVG's `stroke-dasharray` has it.
    """

    text_font: str = "'Source Sans', system-ui, sans-serif"
    number_font: str = "'Source Code Pro', ui-monospace, monospace"
    caption: int = 13
    small: int = 12
    tiny: int = 11
    many: int = 32
    digit: float = 0.6
    pitch: int = 13
    slanted_from: int = 24
    name_gap: int = 3
    tick: int = 4
    key: int = 48
    key_row: int = 20
    color_bar: int = 10
    cap: int = 3
    outline: float = 1.25
    ring: float = 1.5
    box: int = 2
    dashes: Mapping[Dash, str] = field(
        default_factory=lambda: {"solid": "", "dash": "8 4", "dot": "3 3"}
    )


LOOK = Look()
