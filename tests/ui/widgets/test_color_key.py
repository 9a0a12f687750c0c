"""The key of experts' colors names what the experts shown are used for, and nothing else."""

import re

import numpy as np
from streamlit.testing.v1 import AppTest

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.records.expert_uses import uses_of
from olmoe_viz.ui.texts import color_key as texts


def script(*, known: bool) -> None:
    import numpy as np

    from olmoe_viz.records.expert_uses import uses_of
    from olmoe_viz.ui.widgets.color_key import color_key

    # One layer of three experts; "a <b>" prefers the first, nothing the second, "c" the third.
    shares = np.array([[[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.9]]])
    uses = uses_of(shares, ("a <b>", "unused", "c")) if known else None
    color_key([(0, 2), (0, 0), (0, 1)], uses, "light")


def test_a_swatch_has_the_color_of_the_bars() -> None:
    test = AppTest.from_function(script, kwargs={"known": True}).run()
    (found,) = [each.proto.body for each in test.get("html")]
    swatches = re.findall(r'background:(#\w+)"></i>([^<]*)</span>', found)
    shares = np.array([[[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.9]]])
    uses = uses_of(shares, ("a", "unused", "c"))
    names = ["a &lt;b&gt;", "c", texts.NO_USE]
    assert swatches == [
        (expert_color(expert, 0, "light", uses), name)
        for expert, name in zip((0, 2, 1), names, strict=True)
    ]


def test_without_a_record_no_kind_of_text_is_named() -> None:
    test = AppTest.from_function(script, kwargs={"known": False}).run()
    assert [each.value for each in test.caption] == [texts.DISTINCT]
    assert not test.get("html")
