"""Class: a room in which a class guesses together, and what a teacher brings."""

from pathlib import Path

from olmoe_viz.ui.classroom import page
from olmoe_viz.ui.frame import navigation

navigation.through_app()
page.draw(Path(__file__).parents[1] / "docs")
