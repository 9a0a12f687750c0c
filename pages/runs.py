"""Runs: runs saved as files, opened from files, and set against each other."""

from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.runs import page

navigation.through_app()
page.draw()
