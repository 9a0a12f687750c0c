"""The colors of the whole application: domains, 256 distinct ones, two scales, both themes' inks.

Colors are built in OKLCH (Ottosson 2020, "A perceptual color space for image processing"), where
equal steps look equal. Of the distinct ones the family is `number // 8` and the tone `number % 8`;
both stay the same in the two themes, only the lightness moves. The families of 64 and above are
those of the first 64 at other hues. Which expert has which color says `expert_colors`. Knows
nothing about plotly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin
from typing import Literal

Theme = Literal["light", "dark"]

FAMILIES = 8
TONES = 8
# (hue in degrees, chroma, lightness offset) of each family, found by a search that maximized the
# smallest distance between families under normal vision and three simulated color deficiencies.
# Families that share a hue for some eyes therefore differ in lightness or chroma as well.
_FAMILIES = (
    (46.0, 0.128, -0.060),
    (88.0, 0.179, 0.001),
    (129.0, 0.175, 0.070),
    (145.0, 0.030, -0.057),
    (162.0, 0.162, 0.006),
    (262.0, 0.167, -0.070),
    (290.0, 0.141, 0.070),
    (322.0, 0.083, -0.048),
)
# (degrees added to the hue, factor of the chroma, added lightness) of each further 64 experts,
# found by a search that maximized the smallest distance between any two colors of a theme.
_ROUNDS = ((0.0, 1.0, 0.0), (88.0, 0.85, 0.0), (28.0, 0.45, -0.015), (-57.0, 0.45, 0.0))
# (hue in degrees, chroma, lightness offset) of each domain, found by the same search; under normal
# vision the distance had to be 1.9 times as large as under the three deficiencies. Hues of reds
# were left out.
_DOMAINS = (
    (77.4, 0.145, 0.150),
    (44.1, 0.154, -0.001),
    (165.9, 0.137, 0.137),
    (193.8, 0.082, -0.170),
    (330.2, 0.154, -0.024),
    (244.9, 0.180, 0.017),
    (281.4, 0.180, -0.068),
    (293.6, 0.154, 0.150),
    (41.9, 0.142, -0.170),
    (312.3, 0.146, -0.170),
)
_NO_DOMAIN: dict[Theme, float] = {"light": 0.62, "dark": 0.68}  # the lightness of a gray
_CENTER: dict[Theme, float] = {"light": 0.56, "dark": 0.73}
_TONE_REACH = 0.105
_TONE_TWIST = 7.0


@dataclass(frozen=True)
class Inks:
    """The colors that carry no data, as "#rrggbb"."""

    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    accent: str


INKS: dict[Theme, Inks] = {
    "light": Inks("#fdfdfc", "#f3f3f0", "#1c2024", "#5d636b", "#d9dad6", "#b71a51"),
    "dark": Inks("#15171a", "#1f2226", "#e7e8e9", "#a3a9b1", "#363b41", "#fc8cad"),
}


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """Return the sRGB "#rrggbb" of an OKLCH color, its chroma lowered until it can be shown."""
    if not _shown(_linear(lightness, chroma, hue)):
        low, high = 0.0, chroma
        for _ in range(16):
            middle = (low + high) / 2
            fits = _shown(_linear(lightness, middle, hue))
            low, high = (middle, high) if fits else (low, middle)
        chroma = low
    return "#" + "".join(f"{round(255 * _gamma(c)):02x}" for c in _linear(lightness, chroma, hue))


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _shown(rgb: tuple[float, float, float]) -> bool:
    return all(-1e-4 <= channel <= 1 + 1e-4 for channel in rgb)


def _gamma(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    return 12.92 * channel if channel <= 0.0031308 else float(1.055 * channel ** (1 / 2.4) - 0.055)


@cache
def distinct_color(number: int, theme: Theme) -> str:
    """One of 256 colors that differ from each other; further numbers start again at the first."""
    hue, chroma, offset = _FAMILIES[number // TONES % FAMILIES]
    turn, fade, lift = _ROUNDS[number // (TONES * FAMILIES) % len(_ROUNDS)]
    step = (number % TONES - (TONES - 1) / 2) / ((TONES - 1) / 2)
    lightness = _CENTER[theme] + offset + _TONE_REACH * step + lift
    return oklch(lightness, fade * chroma, hue + turn + _TONE_TWIST * step)


@cache
def distinct_colors(count: int, theme: Theme) -> tuple[str, ...]:
    """So many colors that differ from each other."""
    return tuple(distinct_color(number, theme) for number in range(count))


@cache
def domain_colors(domains: int, theme: Theme) -> tuple[str, ...]:
    """The colors of so many kinds of text, at most ten, and last the gray of none of them."""
    parts = _DOMAINS[:domains]
    if len(parts) < domains:
        raise ValueError(f"There are colors for {len(_DOMAINS)} domains, not for {domains}.")
    named = (oklch(_CENTER[theme] + offset, chroma, hue) for hue, chroma, offset in parts)
    return (*named, oklch(_NO_DOMAIN[theme], 0.0, 0.0))


def luminance(color: str) -> float:
    """Relative luminance of "#rrggbb", 0 to 1 (WCAG 2.2)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colors, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(color: str) -> str:
    """Black or white, whichever reads better on the color (at least 4.5 to 1 on any color)."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, color))


def _ramp(
    start: tuple[float, float, float], end: tuple[float, float, float], stops: int
) -> list[str]:
    """Colors at equal steps of lightness from start to end (lightness, chroma, hue)."""
    shares = [i / (stops - 1) for i in range(stops)]
    return [
        oklch(*(a + (b - a) * share for a, b in zip(start, end, strict=True))) for share in shares
    ]


def _sequential(theme: Theme) -> tuple[str, ...]:
    """From paper to ink by way of teal and blue: lightness on a line, chroma on a half wave."""
    first, last = (0.972, 0.33) if theme == "light" else (0.25, 0.94)
    hues = (195.0, 268.0) if theme == "light" else (268.0, 195.0)
    shares = [i / 16 for i in range(17)]
    return tuple(
        oklch(
            first + (last - first) * share,
            0.008 + 0.105 * sin(radians(165 * share)),
            hues[0] + (hues[1] - hues[0]) * share,
        )
        for share in shares
    )


def _diverging(theme: Theme) -> tuple[str, ...]:
    """Blue for less, ochre for more, the color of the paper at zero."""
    middle, far = (0.965, 0.45) if theme == "light" else (0.27, 0.82)
    less = _ramp((far, 0.13, 255.0), (middle, 0.0, 255.0), 8)
    more = _ramp((middle, 0.0, 75.0), (far, 0.11, 75.0), 8)
    return (*less, *more[1:])


SEQUENTIAL: dict[Theme, tuple[str, ...]] = {
    "light": _sequential("light"),
    "dark": _sequential("dark"),
}
DIVERGING: dict[Theme, tuple[str, ...]] = {
    "light": _diverging("light"),
    "dark": _diverging("dark"),
}


@cache
def shades(colors: tuple[str, ...]) -> tuple[str, ...]:
    """256 colors from one end of a scale to the other."""
    stops = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors]
    mixed = []
    for step in range(256):
        place = step / 255 * (len(stops) - 1)
        at = min(int(place), len(stops) - 2)
        low, high, share = stops[at], stops[at + 1], place - at
        channels = (a + (b - a) * share for a, b in zip(low, high, strict=True))
        mixed.append("#" + "".join(f"{round(channel):02x}" for channel in channels))
    return tuple(mixed)


def shade(value: float, span: tuple[float, float], colors: Sequence[str]) -> str:
    """The color of a value on a scale; beyond its ends it has that of the end."""
    share = (value - span[0]) / (span[1] - span[0])
    return shades(tuple(colors))[int(min(max(share, 0.0), 1.0) * 255 + 0.5)]
