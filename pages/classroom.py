"""Class: a room in which a class guesses together."""

from olmoe_viz.ui.classroom import page
from olmoe_viz.ui.frame import navigation

navigation.through_app()
page.draw()
