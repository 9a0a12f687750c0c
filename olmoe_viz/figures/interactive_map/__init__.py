"""The routing map that answers to the hand: its data, words and script, the same everywhere."""
