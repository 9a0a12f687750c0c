import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from olmoe_viz.figures.labels import k_is, visible
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.ui.widgets.origin import details
from olmoe_viz.ui.widgets.wording import (
    WEIGHTING_NAMES,
    billions,
    count,
    listed,
    place,
    plain,
)

JOINER = "\N{WORD JOINER}"


def test_tokens_show_their_spaces_and_are_never_empty() -> None:
    assert visible(" was") == "·was"
    assert visible("") == "∅"
    assert visible("␊␉") == "↵⇥"
    assert place(" was", 5, 7, range(16)) == "·was  ·  token 5  ·  layer 7 (0 to 15)"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40))
def test_plain_text_survives_markdown(text: str) -> None:
    tokens = MarkdownIt().parse("x" + plain(text))
    inline = [child for token in tokens for child in token.children or []]
    shown = "".join(child.content for child in inline).replace(JOINER, "")
    assert shown.strip() == ("x" + text).strip()


def test_plain_leaves_no_directive_or_formula() -> None:
    directive = plain("$x^2$ :red[a] <b>").replace(JOINER, "")
    assert directive == r"\$x\^2\$ \:red\[a\] \<b\>"
    assert not re.search(r"(?<!\\)[$<*_\[\]:`]", plain("*a* _b_ `c` [d](e) $f$ :g: <h>"))


def test_ordinary_sentences_carry_nothing_invisible() -> None:
    for sentence in ("At most 2,048 tokens; this has 3.", "k = 8: it isn't (yet) well-known."):
        assert JOINER not in plain(sentence)


def test_no_line_breaks_between_k_and_its_number() -> None:
    assert k_is(8) == "k\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}8"


def test_numbers_have_units_and_sensible_digits() -> None:
    assert [billions(n) for n in (1_282_017_280, 28_000_000, 999, 1_500)] == [
        "1.28 B",
        "28.0 M",
        "999",
        "1.50 k",
    ]
    assert count(1, "token") == "1 token"
    assert count(1200, "token") == "1,200 tokens"
    assert listed([8, 16, 32]) == "8, 16 and 32"
    assert listed([8]) == "8"


def test_every_weighting_has_a_name_without_code_in_it() -> None:
    assert tuple(WEIGHTING_NAMES) == WEIGHTINGS
    assert all("_" not in name for name in WEIGHTING_NAMES.values())


def test_origin_details_name_model_routing_device_and_date(provenance: Provenance) -> None:
    line = details(provenance, "k=8")
    assert line == "random (sha256:00), k=8, float32 on cpu, 2026-01-02 03:04 UTC, 0.25 s."
