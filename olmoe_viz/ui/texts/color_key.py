"""What the colors of experts mean, below figures with few of them."""

from olmoe_viz.figures.interactive_map.words import SCRIPT

COLOR = "Color: the kind of text that uses an expert most"
NO_USE = str(SCRIPT["no_use"])
DISTINCT = "Colors tell the experts of one layer apart, and mean nothing from layer to layer."
