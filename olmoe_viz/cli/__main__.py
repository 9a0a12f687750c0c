"""The same commands as `python -m olmoe_viz.cli`."""

from olmoe_viz.cli import main

main(prog_name="olmoe-viz")
