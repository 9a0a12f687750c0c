"""Figures: one module a visual, each with `figure(arrays, *, theme)` and `describe(arrays)`.

`figure` returns a plotly figure, or a `Plot` where it is drawn again at every move; `describe` the
sentence that a person who cannot see it gets.
Pure functions: nothing here knows the model, the page or the session.
"""
