"""The words of the page Compare k about what each k costs. Pure."""

from olmoe_viz.ui.widgets.wording import count

COST_TITLE = "Cost"
COST_ALT = "What each k costs"
NOT_TIMED = "not timed"
ACTIVE = "active parameters, derived"
SHARE_OF_ALL = "share of all, derived"
BYTES_READ = "read per token, derived, MB"
LIMIT = "limit by bandwidth, tokens/s"
SHARE_OF_LIMIT = "share of the limit, alone"


def written_alone(runs: int) -> str:
    """A line of the table."""
    return f"written alone, {runs} runs, tokens/s"


def speed_alone(median: str, slowest: str, fastest: str) -> str:
    """The median of several runs, and between which speeds all of them were."""
    return f"{median} ({slowest} to {fastest})"


def time_alone(runs: int) -> str:
    """The button that times each k."""
    return f"Time each k alone ({runs} runs)"


def warming_up(policy: str) -> str:
    """While the run of a policy that is not counted goes on."""
    return f"{policy}: warming up"


def run_alone(policy: str, run: int, runs: int) -> str:
    """How many runs of a policy are done."""
    return f"{policy}: run {run} of {runs}"


def cost_badge(details: str, device: str) -> str:
    """Where the numbers of the costs are from."""
    return (
        f"{details} Parameters and bytes are derived from the model's sizes. Bandwidth: copies "
        f"within the memory of {device}, bytes read and written."
    )


def together(columns: int, tokens_per_second: float, megabytes: float, share: float | None) -> str:
    """The one speed of texts that were written together, and its share of their common limit."""
    reached = "" if share is None else f", {share:.1%} of the limit"
    return (
        f"Written together: {tokens_per_second:,.1f} tokens/s in each of {columns} columns"
        f"{reached}. A step writes one token in every column and reads {megabytes:,.1f} MB: every "
        "expert that any column uses, once. So all columns have this one speed, and it says "
        "nothing about a single k; time each k alone for that, and for its share of the limit."
    )


def limit(gigabytes: float, copies: int, mebibytes: int, threads: int | None) -> str:
    """Where the limit comes from, and what a share of it does not say."""
    with_all = f" with {count(threads, 'thread')}" if threads else ""
    fewer = "A small model may decode with fewer, which reach less. " if threads else ""
    return (
        f"Limit: every token needs its bytes read, and this memory copies {gigabytes:.1f} GB/s, "
        f"measured once for this server as the fastest of {copies} copies of {mebibytes} "
        f"MiB{with_all}. {fewer}A share above 100% says that the copies were disturbed by other "
        "work, or that weights stay in a cache."
    )


def times(runs: int, tokens: int) -> str:
    """What the times of both kinds hold and leave out."""
    return (
        "Times exclude loading the model and reading the prompt. Together: this one run, with "
        "nothing before it to warm up; another one may differ. Alone: the median of "
        f"{runs} runs of {count(tokens, 'token')}, in brackets the slowest and the fastest: "
        "greedy, one text at a time, after a short run that is not counted."
    )
