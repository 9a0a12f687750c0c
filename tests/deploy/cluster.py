"""Two replicas on this machine, sixty requests, and one replica's process killed in the middle.

Every other request draws its tokens by lot, from a seed. Run by test_cluster.py with the
interpreter of an environment that has Ray, with a port and a file for what was found: JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import ray
from ray import serve

from deploy.ray_app import Replica
from olmoe_viz import Generation, RoutingPolicy
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.engine.remote import connect
from olmoe_viz.records.record import ROUNDING
from olmoe_viz.requests import GenerateRequest

REQUESTS, TOKENS, SOON = 60, 12, 600.0


def replicas() -> list[int]:
    """Return the numbers of the replicas' processes, which Ray names."""
    ours = psutil.Process().children(recursive=True)
    return [each.pid for each in ours if "ServeReplica" in " ".join(each.cmdline())]


def parts_at_a_tie(one: Generation, other: Generation) -> bool:
    """Whether greedy texts part where two tokens are as likely, up to a batch's rounding."""
    pairs = zip(one.token_ids, other.token_ids, one.logprobs, other.logprobs, strict=False)
    parted = next(((mine, theirs) for a, b, mine, theirs in pairs if a != b), None)
    return parted is not None and abs(parted[0] - parted[1]) < ROUNDING


def main() -> None:
    """Write what came back, and what it cost."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    options = {"num_cpus": 1}
    serve.run(
        Replica.options(num_replicas=2, ray_actor_options=options, max_ongoing_requests=60).bind()
    )
    engine = connect(f"http://127.0.0.1:{sys.argv[1]}")
    policies = (RoutingPolicy(8), RoutingPolicy(16))
    requests = [
        GenerateRequest(
            "olmoe-nano", f"Once upon a time, {n}", policies, TOKENS, 0.8 * (n % 2), seed=n
        )
        for n in range(REQUESTS)
    ]
    began = time.perf_counter()
    tickets = [engine.submit(request, f"{n:x}") for n, request in enumerate(requests)]
    while not any(len(ticket.new_steps(3, 0.05)) for ticket in tickets[:4]):
        pass
    there, under_way = replicas(), sum(not ticket.done for ticket in tickets)
    os.kill(there[0], signal.SIGKILL)
    texts = [ticket.result(SOON) for ticket in tickets]
    seconds = time.perf_counter() - began
    solo, ties, wrong = LocalEngine(), 0, 0
    for ticket, request, written in zip(tickets, requests, texts, strict=True):
        alone = solo.submit(request).result()
        for row, text in enumerate(written):
            steps = [s.rows[row].token_id for s in ticket.steps() if s.index >= 0]
            ids = text.token_ids.tolist()
            tie = parts_at_a_tie(text, alone[row])
            ties += tie
            wrong += ids != alone[row].token_ids.tolist() and not tie
            wrong += [each for each in steps if each is not None] != ids[: len(steps)]
    found = {
        "replicas": len(there),
        "under_way": under_way,
        "answers": len(texts),
        "wrong": wrong,
        "ties": ties,
        "seconds": seconds,
    }
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    serve.shutdown()


main()
