"""Faces and sizes of the words in figures."""

# "Source Sans" and "Source Code" are the faces that Streamlit serves itself; the rest are
# what a reader without them has, for figures in notebooks and reports.
TEXT_FONT = "'Source Sans', system-ui, sans-serif"
NUMBER_FONT = "'Source Code Pro', ui-monospace, monospace"
CAPTION = 13
SMALL = 12  # px, of ids and tokens
DIGIT = 0.6  # em, width of a character in the face of numbers; of text no wider on the mean
KEY = 48  # px, room of the key of lines below the axis
