"""The words about a teacher's own stops: what is asked of their file, and what is wrong with it."""

from collections.abc import Collection

TITLE = "Stops of your own"
WHAT_THIS_IS = (
    "A tour of your own: a file in YAML or JSON with up to {stops} stops, each with a page, what "
    "is selected there, words, and a question with its answer if you like. It may have {kilobytes} "
    "kB, is read on the server, for you alone, and forgotten when you leave."
)
FILE = "A file of stops (.yaml, .json)"
SAMPLE = "Save a sample"
PLAY = "Play"
AS_LINK = "While they play, the address is a link to them: Copy link gives it to a class."
NO_LINK = (
    "They are too long for a link, which has room for about {characters} characters. Give the file "
    "itself to others."
)
OWN_ANSWER = "By whoever wrote these stops, not measured here."
NOT_UTF8 = "The file is not text in UTF-8."
NO_LIST = "The file needs the field stops, and nothing else: a list of one to {most} stops."
DEEP = "The file has lists in lists in lists, too deep to be read."
REFERENCES = "references (*name) are not read"
FIELD_TWICE = "this field stands twice in one stop"
NO_VALUE = "it is neither YAML nor JSON"
DAMAGED_LINK = (
    "The stops of this link are damaged or too long. Ask for the link again, or the file."
)
MORE_ERRORS = "There is more to correct below."
NOT_FIELDS = "must be a list of fields with values"
NEEDED = "is missing"
NUMBER = "must be a whole number from {least:,} to {most:,}"
TEXT = "must be a text of 1 to {most:,} characters"
TEXTS = "must be a list of {least} to {most} texts, each of up to {longest} characters"
TWICE = "has a text twice"
EXPERT = (
    'must be an expert as layer.id in quotes, like "7.20", with layer 0 to {layer} and id 0 to {id}'
)
QUESTION = "must be one of {names}, or have the fields {fields}"
ANSWER = "must be one of the options"


def stop(number: int) -> str:
    """A stop in an error, counted as the tour counts."""
    return f"Stop {number}"


def wrong(where: str, field: str, what: str) -> str:
    """What is wrong with a field."""
    return f'{where}, field "{field}": {what}.'


def no_field(known: Collection[str]) -> str:
    """A field that there is not, beside those that there are."""
    return f"there is no such field; there are {', '.join(known)}"


def no_word(word: str) -> str:
    """A word that the glossary does not have."""
    return f'must be words of the glossary, and "{word}" is none'


def one_of(choices: Collection[str]) -> str:
    """What a field can be."""
    return f"must be one of {', '.join(choices)}"


def too_large(size: int, most: int) -> str:
    """A file is not read because of its size."""
    return f"The file has {size / 1000:,.0f} kB; it may have {most / 1000:,.0f} kB."


def unread(line: int | None, what: str) -> str:
    """YAML or JSON that is none."""
    place = "The file" if line is None else f"Line {line} of the file"
    return f"{place} cannot be read: {what}."


def several(titles: int) -> str:
    """How many stops a file has."""
    return f"{titles} stops:" if titles != 1 else "1 stop:"
