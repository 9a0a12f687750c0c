"""The words around the lesson, whose own words stand in docs/lesson.md."""

TO_CLASS = "Rooms, on the page Class"
