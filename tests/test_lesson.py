"""The numbers that the lesson quotes are those of the recorded tables."""

import re
import runpy

from olmoe_viz import Trace
from olmoe_viz.numerics.proportions import wilson
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import classroom, tour
from olmoe_viz.ui.tour import answers
from olmoe_viz.ui.tour.stops import STOPS
from tests.installation import ROOT

WRITTEN = (ROOT / "docs" / "lesson.md").read_text("utf-8")
LESSON = " ".join(WRITTEN.split())


def numbers(sentence: str) -> set[str]:
    """Numbers with a decimal point, the measured ones."""
    return set(re.findall(r"\d+\.\d+", sentence))


def test_the_measured_numbers_of_the_lesson_are_the_recorded_ones() -> None:
    trace = Trace.load(ROOT / "olmoe_viz" / "data" / "runs" / "story-k8.safetensors")
    mass = answers.mass(trace.router_logits, trace.expert_ids).sentence
    domains = answers.domains(tables.table("experts")).sentence
    quality = answers.quality(tables.table("quality"))
    quoted = numbers(LESSON)
    assert quoted <= numbers(mass) | numbers(domains) | numbers(quality.sentence)
    assert numbers(mass) | numbers(domains) <= quoted
    assert all(f"`{expert}`" in LESSON for expert in re.findall(r"\d+·\d+", domains))
    bits = re.findall(r"([\d.]+) for k = (\d+)", LESSON)
    assert {k for _, k in bits} == {"8", "16", "64"}
    told = quality.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert all(f"{value} at k = {k}" in told for value, k in bits)
    assert [k.replace("\N{NO-BREAK SPACE}", " ") for k in quality.right] == ["k = 8", "k = 16"]


def test_the_vote_of_the_lesson_has_its_wilson_interval() -> None:
    low, high = wilson(11, 20)
    assert f"between {low:.0%} and {high:.0%}" in LESSON


def test_the_lesson_fills_45_minutes_and_names_what_there_is() -> None:
    spans = [tuple(map(int, span)) for span in re.findall(r"\| (\d+) to (\d+) \|", LESSON)]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == 45
    stops = re.findall(r"stops? (\d+)(?: (?:and|to) (\d+))? \|", LESSON)
    played = [at for first, last in stops for at in range(int(first), int(last or first) + 1)]
    assert played == list(range(1, len(STOPS) + 1))
    spoken = re.findall(r"## (\d+ to \d+):", WRITTEN)
    assert spoken == [f"{start} to {end}" for start, end in spans]
    for words in (classroom.REVEAL, tour.LARGER_TYPE, classroom.pair(1), tour.BEGIN):
        assert words in LESSON


def test_the_worksheet_has_every_question_of_the_lesson_and_no_answer() -> None:
    path = ROOT / "docs" / "worksheet.py"
    module = runpy.run_path(str(path))
    asked = [question for part in module["parts"](WRITTEN).values() for question in part]
    assert len(asked) == WRITTEN.count("Ask:") == 8
    assert not any(word in question for question in asked for word in ("Expected", "Measured"))
    page = module["worksheet"](WRITTEN)
    page.set_compression(False)
    pdf = bytes(page.output())
    assert pdf.startswith(b"%PDF")
    assert all(question.split()[0].encode() in pdf for question in asked)
    assert page.page_no() == 2
