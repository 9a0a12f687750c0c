"""Glossary: the words of the application, in alphabetical order."""

from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.glossary import page

navigation.through_app()
page.draw()
