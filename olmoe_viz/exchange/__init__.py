"""Routing in the forms of other tools, written and read; loads no torch."""
