"""The words of the page on which a class guesses together."""

from collections.abc import Sequence

TITLE = "Guess together"
WHAT_THIS_IS = (
    "A teacher opens a room and shows its code; the class guesses on phones. A room knows no names "
    "and is forgotten after two hours, or when its teacher closes it."
)
OFF = (
    "Rooms are off on this server: several processes serve its pages, or its operator holds none. "
    "The questions are in the tour as well, for one visitor at a time."
)
JOIN, CODE = "Join", "code of the room"
CODE_HELP = "Eight letters, as the teacher's screen shows them."
TEACH = "For a teacher"
QUESTION, OPEN, CLOSE = "question", "Open a room", "Close the room"
REVEAL, AGAIN = "Show the answer", "Ask this question"
YOUR_GUESS = "Your guess"
TAKEN = "Your guess is counted. It can be changed until the answer is shown."
LATE = "This guess came too late, or the room is full: it is not counted."
GONE = "This room is closed. Ask your teacher for another code."
UNKNOWN = "No room has this code. Look at the teacher's screen: it has eight letters."
FULL = "As many rooms are open as this server holds. One becomes free within two hours."
ATTEMPTS = "Too many wrong codes came in the last minute. Wait a minute and try again."
NAMES = {"domains": "How one-sided is an expert?", "quality": "Which k predicts best?"}
HOW = "On a phone: open this page's address, choose Class, and type"


def guessed(count: int) -> str:
    """How many have guessed."""
    return {0: "Nobody has guessed yet.", 1: "1 guess."}.get(count, f"{count} guesses.")


def bar(option: str, count: int, total: int) -> str:
    """One option of the histogram."""
    share = f" ({count / total:.0%})" if total else ""
    return f"{option}: {count}{share}"


def outcome(right: Sequence[str], count: int, total: int) -> str:
    """What was right, and how many of the class said so."""
    answer = " and ".join(f"“{option}”" for option in right)
    if total == 0:
        return f"Measured: {answer}. Nobody guessed."
    return f"Measured: {answer}. {count} of {total} guessed it."
