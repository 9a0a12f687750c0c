"""The words of the page on which a class guesses together."""

from collections.abc import Sequence

from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui.texts.quality import equal_ks

TITLE = "Guess together"
WHAT_THIS_IS = (
    "A teacher opens a room and shows its code; the class guesses on phones. A room knows no names "
    "and is forgotten after two hours, or when its teacher closes it. Until then a browser has a "
    "random number in a cookie: after a reload a phone keeps its guess and a teacher the room. Who "
    "has two browsers has two guesses."
)
OFF = (
    "Rooms are off on this server: several processes serve its pages, or its operator holds none. "
    "The questions are in the tour as well, for one visitor at a time."
)
JOIN, CODE = "Join", "code of the room"
CODE_HELP = "Eight letters, as the teacher's screen shows them."
TEACH = "For a teacher"
TO_LESSON = "A lesson of 45 minutes"
QUESTION, OPEN, CLOSE = "question", "Open a room", "Close the room"
LEAVE = "Leave this room"
REVEAL, AGAIN = "Show the answer", "Ask this question"
YOUR_GUESS = "Your guess"
TAKEN = "Your guess is counted. It can be changed until the answer is shown."
LATE = "This guess came too late, or the room is full: it is not counted."
GONE = "This room is closed. Its teacher can open another, which has another code."
UNKNOWN = "No room has this code. Look at the teacher's screen: it has eight letters."
ELSEWHERE = (
    "The process that answers you does not have the room of this link: it was started anew, or "
    "several processes serve these pages, and the room is in another one. Ask your teacher for "
    "another link; if that fails too, the operator must let one process serve the class, or "
    "set OLMOE_VIZ_ROOMS to 0."
)
FULL = "As many rooms are open as this server holds. One becomes free within two hours."
OPENED = "Too many rooms were opened in the last minute. Wait a minute and try again."
ATTEMPTS = "Too many wrong codes came in the last minute. Wait a minute and try again."
NAMES = {"domains": "How one-sided is an expert?", "quality": "Which k predicts best?"}
GOES_ON = " …"
HOW = "On a phone: scan the QR code, open the link, or choose Class here and type"
QR = "QR code of the link to this room"
THIS_COMPUTER = (
    "Phones cannot open this address, by which a computer calls itself. Open the pages by the "
    "address that this computer has in the network of the class, and link and QR code lead there."
)


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


BLIND = "The same model wrote both, with another number of experts for each. Which is better?"
BLIND_OPTIONS = ("Text A", "Text B")


def pair(number: int) -> str:
    """A pair of texts, in the list of questions."""
    return f"Which text is better? Pair {number}"


def unblinded(ks: Sequence[int]) -> str:
    """Which k wrote which text."""
    return f"Text A was written with {k_is(ks[0])}, text B with {k_is(ks[1])}."


def vote(first: int, total: int, interval: tuple[float, float]) -> str:
    """How the class voted, and whether that is more than chance."""
    if total == 0:
        return "Nobody voted."
    low, high = interval
    said = (
        f"{first} of {total} chose text A: {first / total:.0%} (95% interval {low:.0%} to "
        f"{high:.0%}, Wilson 1927)."
    )
    if low <= 0.5 <= high:
        return f"{said} One half lies in it, so this vote does not tell the texts apart."
    return f"{said} So the class prefers text {'A' if low > 0.5 else 'B'}."


def measured(
    ks: Sequence[int], bits: Sequence[tuple[float, float, float]], best: Sequence[int]
) -> str:
    """Bits per byte of both ks with their intervals, on text that neither vote nor class chose."""
    each = " and ".join(
        f"{mean:.3f} ({low:.3f} to {high:.3f}) with {k_is(k)}"
        for k, (mean, low, high) in zip(ks, bits, strict=True)
    )
    said = f"Measured on held-out text, in bits per byte, where lower is better: {each}."
    if len(best) > 1:
        return f"{said} {equal_ks(best)}"
    return f"{said} {k_is(best[0])} predicts better; two texts alone cannot show that."
