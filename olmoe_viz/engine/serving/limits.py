"""What a request must be before its body is believed: checked in the order that costs least.

Every refusal is a `Refused` with a status and a sentence.
"""

import asyncio
import hmac
import re

from starlette.requests import ClientDisconnect, Request

from olmoe_viz.errors import EngineError

MAX_BODY = 2**20  # bytes; the longest prompt as escaped JSON has about half of that
BODY_SECONDS = 20.0
_VISITOR = re.compile("[0-9a-f]{1,64}")


class Refused(EngineError):  # noqa: N818 - named for what it is
    """A request that is not answered: an HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def check_token(request: Request, token: str) -> None:
    """Refuse whoever does not show the token, where there is one."""
    shown = request.headers.get("authorization", "")
    if token and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        raise Refused(401, "This server answers those who show its token.")


def check_header(request: Request) -> None:
    """Refuse a body of another type or above the limit by what the header says of it."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "Send a request as application/json.")
    length = request.headers.get("content-length")
    if length is None:
        return
    if not re.fullmatch("[0-9]{1,18}", length):
        raise Refused(400, "The length of the body is no number.")
    if int(length) > MAX_BODY:
        raise Refused(413, f"A request has at most {MAX_BODY:,} bytes.")


def visitor(request: Request) -> str:
    """Return for whom is asked, for a fair line; without a name, whoever is connected."""
    named = request.headers.get("olmoe-visitor")
    if named is None:
        return f"at {request.client.host}" if request.client else ""
    if not _VISITOR.fullmatch(named):
        raise Refused(400, "A visitor is named by at most 64 digits from 0 to f.")
    return named


async def body(request: Request) -> str:
    """Return the body as text; it is read no further than the limit, and not for ever."""
    held = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                held += piece
                if len(held) > MAX_BODY:
                    raise Refused(413, f"A request has at most {MAX_BODY:,} bytes.")
    except TimeoutError:
        raise Refused(408, "The body did not arrive in time.") from None
    except ClientDisconnect:
        raise Refused(400, "The body broke off.") from None
    try:
        return held.decode()
    except UnicodeDecodeError:
        raise Refused(400, "A request is UTF-8.") from None
