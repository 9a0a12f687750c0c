"""Map: which expert each token uses in each layer, and one cell of it in full."""

from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.map import page

navigation.through_app()
page.draw()
