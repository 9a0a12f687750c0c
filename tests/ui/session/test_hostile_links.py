"""Whatever stands in a link, pages get settings within their limits, and write back short links."""

import pytest

from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.compare.settings import Settings as CompareSettings
from olmoe_viz.ui.lab.clean_settings import CleanSettings
from olmoe_viz.ui.lab.fewer_settings import FewerSettings
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.session.settings import FollowSettings, MapSettings, QualitySettings

SETTINGS = (
    CompareSettings,
    LabSettings,
    FewerSettings,
    CleanSettings,
    MapSettings,
    FollowSettings,
    QualitySettings,
)
OF_SELECTION = ("model", "prompt", "k", "against", "weights", "layer", "token", "expert")
KINDS = {Selection: OF_SELECTION} | {kind: kind.KEYS for kind in SETTINGS}
STRANGE = (
    *("../../etc/passwd", "..\\..\\secret", "file:///etc/passwd", "%2e%2e/", "\0", "\ud800"),
    *("<img src=x onerror=alert(1)>", "$(reboot)", "' or 1=1 --", "__class__"),
    *("-1", "9" * 400, "1e999", "nan", "٣", "1_000", "0x10", "k=8", "off:7.20"),
    *("x" * 100_000, "1-" * 50_000, "k=8~" * 50_000, "off:7.20," * 50_000, "~,;.-@" * 1_000),
)
MOST = 2_500  # characters of a link but for its prompt, which has a limit of its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_with_strange_values_is_read_and_written_back_short(kind) -> None:
    for value in STRANGE:
        for key in KINDS[kind]:
            found = kind.from_query({key: value})
            query = found.to_query()
            assert sum(len(part) for name, part in query.items() if name != "prompt") <= MOST
            assert kind.from_query({**query, **({"prompt": value} if key == "prompt" else {})})
            assert getattr(found, "model", BUNDLED) == BUNDLED
