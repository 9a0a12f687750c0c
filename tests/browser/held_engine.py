"""An engine on which the run of a prompt under k = 4 never ends by itself."""

import threading
from functools import cache
from typing import Any

from olmoe_viz.engine import jobs
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.models.model import Model
from olmoe_viz.requests import TraceRequest

# The application in a folder with its pages and settings; Streamlit looks for them beside it.
SCRIPT = """
import runpy

from tests.browser.held_engine import hold

hold()
runpy.run_path({app!r}, run_name="__main__")
"""


@cache
def hold() -> None:
    """Let such a run of this process wait until whoever asked for it takes that back."""
    answer = jobs.answer

    def held(model: Model, ticket: Ticket, *others: Any) -> Answer:
        request = ticket.request
        if isinstance(request, TraceRequest) and request.policy.k == 4:
            left = threading.Event()
            ticket.advance(Progress("running"), on_cancel=left.set)
            if not ticket.cancelled:
                left.wait()
        ticket.check()
        return answer(model, ticket, *others)

    jobs.answer = held
