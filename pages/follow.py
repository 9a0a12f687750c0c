"""Follow a token: nine steps from text to the next token, and what changes with more experts."""

from olmoe_viz.ui.follow import page
from olmoe_viz.ui.frame import navigation

navigation.through_app()
page.draw()
