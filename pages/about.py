"""About: what the application shows, what k costs, and what it cannot tell."""

from olmoe_viz.ui.about import page
from olmoe_viz.ui.frame import navigation

navigation.through_app()
page.draw()
