"""Compare k: several ks continue the same prompt, and their texts are measured."""

from olmoe_viz.ui.compare import page
from olmoe_viz.ui.frame import navigation

navigation.through_app()
page.draw()
