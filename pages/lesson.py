"""Lesson: 45 minutes with the tour and the page Class."""

from pathlib import Path

from olmoe_viz.ui.classroom import lesson
from olmoe_viz.ui.frame import navigation

navigation.through_app()
lesson.draw(Path(__file__).parents[1] / "docs" / "lesson.md")
