"""Files that are opened: limits, damaged files, the operator's folder; and what then answers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from olmoe_viz import Generation, RoutingPolicy, Trace
from olmoe_viz.engine import recorded
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.ui.runs import imported, keeping, opening


@pytest.fixture
def saved(make_trace: Callable[..., Trace], tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    make_trace().save(path)
    return path


def test_a_saved_run_is_what_an_upload_opens(make_trace: Callable[..., Trace]) -> None:
    run = make_trace()
    data = keeping.content(run)
    found = opening.from_upload("of a class.safetensors", len(data), lambda: data)
    assert isinstance(found, Trace)
    assert found.request == run.request
    assert found.router_logits.tobytes() == run.router_logits.tobytes()


def test_a_button_names_the_size_of_the_file_it_saves(make_trace: Callable[..., Trace]) -> None:
    run = make_trace(full=True)
    for half in (False, True):
        header = len(keeping.content(run, half=half)) - keeping.size(run, half=half)
        assert 0 < header < 5_000
    assert keeping.size(run, half=True) < keeping.size(run)


def test_written_texts_are_saved_and_opened_as_one_file(
    make_generation: Callable[..., Generation],
) -> None:
    whole = Comparison((make_generation(),))
    data = keeping.content(whole)
    found = opening.from_upload("texts", len(data), lambda: data)
    assert isinstance(found, Comparison)
    assert found.request == whole.request


def test_a_full_disk_is_a_sentence_and_saving_needs_none(
    make_trace: Callable[..., Trace],
    make_generation: Callable[..., Generation],
    full_disk: Callable[[], AbstractContextManager[None]],
) -> None:
    run, texts = make_trace(), Comparison((make_generation(),))
    with full_disk():
        data = keeping.content(run)
        assert len(keeping.content(texts, half=True)) < len(keeping.content(texts))
        with pytest.raises(ValueError, match=r"^a\.b cannot be opened now.*disk is full"):
            opening.from_upload("a.b", len(data), lambda: data)
        with pytest.raises(ValueError, match=r"^a\.csv cannot be opened now.*disk is full"):
            imported.read("a.csv", lambda: b"token", layers=3, k=2)
    found = opening.from_upload("a", len(data), lambda: data)
    assert found.request == run.request


def test_a_file_that_is_too_large_is_not_read() -> None:
    def read() -> bytes:
        raise AssertionError("it was read")

    with pytest.raises(ValueError, match=r"^big\.safetensors has 17 MB; a file may have 16 MB\.$"):
        opening.from_upload("big.safetensors", 17 * 10**6, read)


def test_a_damaged_file_is_one_sentence_with_a_harmless_name(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    with pytest.raises(ValueError, match=r"^_b_x is not a readable trace: it is damaged") as said:
        opening.from_upload("../../<b>x", len(data), lambda: bytes(data))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["..", "", "...", "/", "a\0b", "x" * 500])
def test_no_name_leads_out_of_the_folder_of_an_upload(name: str, saved: Path) -> None:
    data = saved.read_bytes()
    assert isinstance(opening.from_upload(name, len(data), lambda: data), Trace)


def test_only_names_in_the_operators_folder_can_be_opened(
    saved: Path, configure: Callable[..., None], tmp_path: Path
) -> None:
    assert opening.listed() == []
    folder = tmp_path / "class"
    folder.mkdir()
    inside = folder / "one.safetensors"
    inside.write_bytes(saved.read_bytes())
    (folder / "notes.txt").write_text("not listed")
    configure(runs=str(folder))
    assert opening.listed() == ["one.safetensors"]
    assert isinstance(opening.from_folder("one.safetensors"), Trace)
    for name in ("../run.safetensors", str(saved), "notes.txt"):
        with pytest.raises(ValueError, match="cannot be read"):
            opening.from_folder(name)


def test_a_record_that_is_no_run_is_refused(tmp_path: Path) -> None:
    engine = recorded.RecordedEngine(recorded.bundled_runs())
    facts = engine.kept(recorded.ModelRequest("olmoe-nano"))
    path = tmp_path / "facts.safetensors"
    facts.save(path)  # type: ignore[union-attr]
    data = path.read_bytes()
    with pytest.raises(ValueError, match=r"^facts holds a record of kind model facts, and no page"):
        opening.from_upload("facts", len(data), lambda: data)


def test_a_policy_of_a_run_is_kept(make_trace: Callable[..., Trace]) -> None:
    data = keeping.content(make_trace(policy=RoutingPolicy(None, threshold=0.1)))
    found = opening.from_upload("run", len(data), lambda: data)
    assert isinstance(found, Trace)
    assert found.policy == RoutingPolicy(None, threshold=0.1)
