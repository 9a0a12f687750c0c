"""Figures: one module a visual, each with `figure(arrays, *, theme)`, which returns a `Figure`.

Pure functions: nothing here knows the model, the page or the session.
"""
