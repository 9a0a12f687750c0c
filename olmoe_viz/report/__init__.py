"""Runs as a page in a file (`page`) and in a notebook (`notebook`); loads no torch."""
