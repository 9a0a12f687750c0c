"""Tables, figures' numbers and files of a comparison, from hand-made records."""

import csv
import io
import json
from collections.abc import Callable

import numpy as np
import pytest

from olmoe_viz import Generation
from olmoe_viz.analysis.extra_experts import ExtraExperts
from olmoe_viz.analysis.quality import PromptQuality
from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.costs import bytes_per_token
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import BandwidthRequest, ChatMessage
from olmoe_viz.ui.compare import cost, extra_experts, quality, timing
from olmoe_viz.ui.compare import text_columns as shown
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.export import csv_text, json_text
from olmoe_viz.ui.compare.routing_figures import profiles
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.compare.table import by_column
from olmoe_viz.ui.texts import compare_cost as texts

SMALL, LARGE = RoutingPolicy(2), RoutingPolicy(8, "renormalized")


@pytest.fixture
def comparison(geometry: Geometry, make_generation: Callable[..., Generation]) -> Comparison:
    """Two texts of two tokens that part at the second, written in half a second."""
    columns = []
    for policy, ids in ((SMALL, [1, 2]), (LARGE, [1, 3])):
        record = make_generation(tokens=2, policy=policy, token_ids=np.array(ids))
        columns.append(Column(policy, ["<b>", ","], ids, [-0.5, -1.0], "length", record))
    return Comparison("=1+1", "m", "sha256:0", geometry, 4, Settings(), columns)


def measured(policy: RoutingPolicy, tokens: int) -> PromptQuality:
    return PromptQuality(policy, tokens, 2.0, float(np.exp(2)), 0.125, 0.5)


def test_a_perplexity_is_shown_from_twenty_tokens_on(comparison: Comparison) -> None:
    short, long = (
        quality.rows(comparison.columns, [measured(SMALL, n), measured(LARGE, n)], 2)
        for n in (19, 20)
    )
    assert "perplexity of the prompt" not in short
    assert long["perplexity of the prompt"] == ["7.39"] * 2
    assert short[f"same likeliest token as {k_is(2)}"] == ["50.0%"] * 2
    assert next(iter(short)).endswith("mean of 19 tokens, nats")
    nothing = PromptQuality(SMALL, 0, None, None, 0.0, 1.0)
    rows = quality.rows(comparison.columns[:1], [nothing], 2)
    assert next(iter(rows.values())) == ["none: one token"]


def test_held_out_numbers_are_the_recorded_ones_or_said_to_be_missing() -> None:
    bits = quality.held_out(RoutingPolicy(8))
    assert bits is not None
    assert bits[1] < bits[0] < bits[2]
    assert quality.held_out(RoutingPolicy(8, "gain_anchored")) == bits
    assert quality.held_out(RoutingPolicy(63)) is None
    rows = quality.held_out_rows([Column(RoutingPolicy(63))])
    assert rows["bits per byte"] == ["not measured"]


def test_files_say_whether_the_prompt_was_a_message_in_a_template(comparison: Comparison) -> None:
    plain = json.loads(json_text(comparison, comparison.rows(), [{}, {}], {}))
    assert (plain["prompt"], plain["chat_template"]) == ("=1+1", False)
    comparison.prompt = ChatMessage("=1+1")
    chat = json.loads(json_text(comparison, comparison.rows(), [{}, {}], {}))
    assert chat == plain | {"chat_template": True}


def prompt_of(make: Callable[..., Generation], policy: RoutingPolicy, logits: np.ndarray) -> Column:
    """A column without a text, whose prompt has these router logits."""
    record = make(tokens=0, policy=policy, prompt_router_logits=logits)
    return Column(policy, generation=record)


def test_drift_compares_the_prompt_with_the_trained_k(
    comparison: Comparison, make_generation: Callable[..., Generation]
) -> None:
    trained = np.zeros((3, 2, 8), dtype=np.float32)
    trained[..., :2] = 1.0
    same, other = trained.copy(), trained.copy()
    other[1] = other[1][..., ::-1]
    comparison.columns = [
        prompt_of(make_generation, SMALL, same),
        prompt_of(make_generation, LARGE, other),
    ]
    comparison.routed = comparison.records()[0].prompt_expert_ids
    found = profiles(comparison)
    assert [kept.tolist() for kept in found["experts kept"]] == [[1, 1, 1], [1, 0, 1]]
    mass = 2 * np.e / (2 * np.e + 6)
    assert found["retained mass"][0] == pytest.approx(np.full(3, mass))
    assert found["retained mass"][1] == pytest.approx(np.ones(3))
    assert found["gain"][0] == pytest.approx(np.full(3, mass))
    assert found["gain"][1] == pytest.approx(np.ones(3))


def test_drift_of_a_smaller_k_follows_the_ranking_to_the_trained_k(
    comparison: Comparison, make_generation: Callable[..., Generation]
) -> None:
    logits = np.zeros((3, 2, 8), dtype=np.float32)
    logits[..., 5], logits[..., 3] = 2.0, 1.0
    comparison.columns = [prompt_of(make_generation, RoutingPolicy(1), logits)]
    comparison.routed = np.array([5, 3], dtype=np.int16) * np.ones((3, 2, 1), dtype=np.int16)
    found = profiles(comparison)
    share = np.exp(2) / (np.exp(2) + np.exp(1) + 6)
    assert found["experts kept"][0].tolist() == [1, 1, 1]
    assert found["retained mass"][0] == pytest.approx(np.full(3, share))
    assert found["gain"][0] == pytest.approx(np.full(3, share))


def test_drift_is_that_of_the_experts_that_ran(
    comparison: Comparison, make_generation: Callable[..., Generation]
) -> None:
    record = make_generation(
        tokens=0,
        policy=SMALL,
        prompt_router_logits=np.zeros((3, 2, 8), dtype=np.float32),
        prompt_expert_ids=np.full((3, 2, 2), (7, 6), dtype=np.int16),
        prompt_weights=np.full((3, 2, 2), (0.5, 0.25), dtype=np.float32),
    )
    comparison.columns = [Column(SMALL, generation=record)]
    comparison.routed = np.full((3, 2, 2), (7, 0), dtype=np.int16)
    found = profiles(comparison)
    assert found["experts kept"][0].tolist() == [0.5, 0.5, 0.5]
    assert found["retained mass"][0] == pytest.approx(np.full(3, 0.25))
    assert found["gain"][0] == pytest.approx(np.full(3, 0.75))


def test_a_badge_tells_of_an_earlier_run(comparison: Comparison) -> None:
    assert shown.where([]) == ("live", "")
    source, now = shown.where(comparison.columns)
    assert source == "live"
    assert "k=2; k=8,w=renormalized, float32 on cpu, 2026-01-02 03:04 UTC, 0.25 s." in now
    comparison.columns[1].cached = True
    assert shown.where(comparison.columns) == ("live", f"{now} Kept from an earlier run.")


def test_only_a_k_that_was_timed_alone_has_a_share_of_the_limit(
    comparison: Comparison, geometry: Geometry
) -> None:
    size = bytes_per_token(geometry, 2, 4)
    together = cost.facts(comparison, 10 * size)
    assert together[0]["limit_tokens_per_second"] == 10
    assert [row["share_of_limit_alone"] for row in together] == [None, None]
    assert cost.rows(together)["share of the limit, alone"] == ["not timed"] * 2
    comparison.alone[str(SMALL)] = [0.5, 0.2, 0.1]
    alone = cost.facts(comparison, 10 * size)
    assert alone[0]["tokens_per_second_alone"] == 5
    assert alone[0]["share_of_limit_alone"] == pytest.approx(0.5)
    rows = cost.rows(alone)
    assert rows["written alone, 3 runs, tokens/s"] == ["5.00 (2.00 to 10.0)", "not timed"]
    assert rows["share of the limit, alone"] == ["50.0%", "not timed"]
    comparison.alone[str(SMALL)] = [0.5, 0.2]
    assert "2.86 (2.00 to 5.00), 2 runs" in str(cost.rows(cost.facts(comparison, size)))
    comparison.alone[str(SMALL)] = [0.5]
    assert "2.00 (1 run)" in str(cost.rows(cost.facts(comparison, size)))


def test_what_was_written_together_has_one_speed_and_one_share(
    comparison: Comparison, provenance: Provenance
) -> None:
    comparison.seconds = 0.5
    size = comparison.bytes_per_step
    asked = BandwidthRequest("m")
    comparison.bandwidth = Bandwidth(asked, 16.0 * size, 1, 1, "cpu", 1, provenance)
    facts = cost.facts(comparison, 1e9)
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison, facts))))
    assert [line["tokens_per_second_together"] for line in lines] == ["4.0", "4.0"]
    assert [line["share_of_limit_together"] for line in lines] == ["0.25", "0.25"]
    assert [line["share_of_limit_alone"] for line in lines] == ["", ""]
    assert not {"seconds", "tokens_per_second", "share_of_limit"} & set(lines[0])
    said = cost.together_words(comparison)
    assert "4.0 tokens/s in each of 2 columns, 25.0% of the limit. A step writes" in said
    assert f"reads {size / 1e6:,.1f} MB" in said


def test_costs_are_those_of_the_experts_that_ran(
    comparison: Comparison, geometry: Geometry, make_generation: Callable[..., Generation]
) -> None:
    policy = RoutingPolicy(8, threshold=0.5)
    ids = np.full((3, 2, 8), -1, dtype=np.int16)
    ids[..., 0] = 3
    ids[0, 1, 1] = 4
    weights = np.where(ids < 0, 0, 0.5).astype(np.float32)
    record = make_generation(tokens=2, policy=policy, expert_ids=ids, weights=weights)
    comparison.columns = [Column(RoutingPolicy(8), ["a", "b"], [1, 2], [-1.0, -1.0])]
    comparison.keep([record])
    (facts,) = cost.facts(comparison, 1e9)
    assert facts["bytes_per_token"] == bytes_per_token(geometry, [1.5, 1, 1], 4)


def test_the_runs_alone_write_what_the_context_has_room_for(
    comparison: Comparison, make_generation: Callable[..., Generation]
) -> None:
    assert timing.tokens_alone(comparison) == 16
    comparison.columns[0].generation = make_generation(
        prompt_tokens=27,
        prompt_ids=np.arange(27),
        prompt_router_logits=np.zeros((3, 27, 8), dtype=np.float32),
    )
    assert timing.tokens_alone(comparison) == 5
    assert "3 runs of 5 tokens" in texts.times(3, 5)
    assert "3 runs of 1 token," in texts.times(3, 1)


def test_the_caption_says_which_threads_made_the_limit(provenance: Provenance) -> None:
    asked = BandwidthRequest("m")
    on_cpu, on_gpu = (
        cost.limit_words(Bandwidth(asked, 25e9, 64 << 20, 9, device, threads, provenance))
        for device, threads in (("cpu", 2), ("cuda:0", None))
    )
    assert "25.0 GB/s" in on_cpu
    assert "9 copies of 64 MiB with 2 threads. A small model may decode with fewer" in on_cpu
    assert "thread" not in on_gpu


def test_only_the_runs_alone_are_said_to_be_warmed_up() -> None:
    together, alone = texts.times(3, 16).split("Alone: ")
    assert "nothing before it to warm up" in together
    assert "after a short run that is not counted" in alone


def test_pairs_are_columns_of_different_k_that_part(comparison: Comparison) -> None:
    one, two = comparison.columns
    assert extra_experts.pairs([one, two]) == [(0, 1)]
    assert extra_experts.pairs([two, one]) == [(1, 0)]
    assert extra_experts.pairs([one, one]) == []
    longer = Column(LARGE, token_ids=[1, 2, 3])
    assert extra_experts.pairs([one, longer]) == []


def test_the_table_names_the_first_extra_experts_and_counts_the_rest() -> None:
    ids = np.array([[4, 5, 6, 7, 0, 1], [3, -1, -1, -1, -1, -1]])
    weights, norms = np.full(ids.shape, 0.5), np.full(ids.shape, 2.0)
    found = ExtraExperts((1, 2), (1, 3), ids, weights, norms, np.array([[0.25, -1], [0, 1]]))
    table = extra_experts.table(found, ("*a*", "b"))
    assert table["layer"] == ["1", "3"]
    assert table["extra experts"][0].endswith("1·7 (0.500 × 2.00) and 2 more")
    assert table["extra experts"][1] == "3·3 (0.500 × 2.00)"
    assert table[r"logit of \*a\*"] == ["+0.250", "+0.000"]


def test_columns_of_the_same_policy_keep_their_own_numbers() -> None:
    columns = [Column(SMALL), Column(SMALL), Column(LARGE)]
    table = by_column({"q": ["1", "2", "3"]}, columns)
    assert list(table.values()) == [["q"], ["1"], ["2"], ["3"]]


def test_files_hold_texts_numbers_and_the_question(comparison: Comparison) -> None:
    facts = cost.facts(comparison, 1e9)
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison, facts))))
    assert [line["k"] for line in lines] == ["2", "8"]
    assert lines[0]["text"] == "<b>,"
    assert lines[1]["weighting"] == "renormalized"
    assert float(lines[0]["mean_logprob"]) == -0.75
    details = [{"trained_logprobs": [-1.5, -2.0]}] * 2
    whole = json.loads(json_text(comparison, facts, details, {"extra_experts": None}))
    assert whole["columns"][0]["token_ids"] == [1, 2]
    assert whole["columns"][1]["logprobs"] == [-0.5, -1.0]
    assert whole["columns"][1]["trained_logprobs"] == [-1.5, -2.0]
    assert whole["prompt"] == "=1+1"
    assert (whole["model"], whole["new_tokens"], whole["extra_experts"]) == ("m", 80, None)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_of_the_table_file_is_a_formula(comparison: Comparison, start: str) -> None:
    comparison.prompt = f"{start}1+1"
    for column, text in zip(comparison.columns, (f"{start}cmd|' /C calc'!A0", " =1"), strict=True):
        column.pieces = [text]
    facts = cost.facts(comparison, 1e9)
    out = io.StringIO(csv_text(comparison, facts), newline="")
    lines = list(csv.DictReader(out))
    assert [line["prompt"] for line in lines] == [f"'{start}1+1"] * 2
    assert [line["text"] for line in lines] == [f"'{start}cmd|' /C calc'!A0", " =1"]


@pytest.mark.parametrize(
    ("columns", "tokens", "lines"), [(4, 8, 2), (4, 40, 6), (2, 40, 4), (6, 24, 6)]
)
def test_the_room_of_a_text_follows_its_length(columns: int, tokens: int, lines: int) -> None:
    assert shown.room(columns, tokens) == pytest.approx(1.55 * lines)
    assert shown.room(columns, 512) == 15
