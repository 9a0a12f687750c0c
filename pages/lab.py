"""Lab: what an expert does, measured by taking it away."""

from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.lab import page

navigation.through_app()
page.draw()
