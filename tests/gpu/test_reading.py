import numpy as np
import pytest
import torch

import olmoe_viz as ov
from benchmarks.random_model import private_copy
from olmoe_viz.engine import experts
from olmoe_viz.engine.host_copy import to_host
from olmoe_viz.models.model import Model

IDS = [100 + 13 * i % 5000 for i in range(700)]


@pytest.mark.parametrize("k", [8, 64])
def test_a_prompt_is_read_as_stock_reads_it(model: Model, k: int) -> None:
    trace = ov.trace(model, IDS, ov.RoutingPolicy(k), "full")
    stock = private_copy(model.module)
    for layer in stock.model.layers:
        layer.mlp.gate.top_k = k
    with torch.inference_mode():
        out = stock(
            torch.tensor([IDS], device="cuda"), output_router_logits=True, output_hidden_states=True
        )
    router = torch.stack(out.router_logits).view(trace.router_logits.shape).float().cpu().numpy()
    hidden = torch.stack(out.hidden_states[:-1])[:, 0].float().cpu().numpy()
    for ours, theirs in ((trace.router_logits, router), (trace.hidden_states[:-1], hidden)):
        assert np.linalg.norm(ours - theirs) < 0.03 * np.linalg.norm(theirs)
    likeliest = out.logits[0, -1].float().topk(3).indices.tolist()
    assert trace.next_ids[0] in likeliest


def test_a_long_prompt_is_the_same_in_parts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ov.trace(model, IDS)
    monkeypatch.setattr("olmoe_viz.engine.prompt.DEVICE_PART", 256)
    parts = ov.trace(model, IDS)
    difference = np.linalg.norm(whole.router_logits - parts.router_logits)
    assert difference < 0.02 * np.linalg.norm(whole.router_logits)


def test_the_kernels_between_the_products_pass_their_test_or_the_record_says_why(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert experts.without_kernels(model.device) is None
    with_kernels = ov.trace(model, IDS)
    assert with_kernels.provenance.runner == "olmoe"
    without = "; prompts without Triton kernels: "
    experts.without_kernels.cache_clear()
    monkeypatch.setattr(experts, "_kernels", lambda: experts.Between(_wrong, _wrong))
    plain = ov.trace(model, IDS)
    assert plain.provenance.runner.startswith(f"olmoe{without}")
    experts.without_kernels.cache_clear()
    difference = np.linalg.norm(with_kernels.router_logits - plain.router_logits)
    assert difference < 0.02 * np.linalg.norm(plain.router_logits)


def _wrong(*_: object) -> tuple[torch.Tensor, torch.Tensor]:
    raise RuntimeError("no such instruction")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.int16])
def test_what_is_copied_in_many_parts_arrives_whole(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [torch.randint(-99, 99, (300, 50), device="cuda").to(dtype) for _ in range(17)]
    wanted = np.stack([value.cpu().float().numpy() for value in values])
    kept = torch.int16 if dtype == torch.int16 else torch.float32
    for staged in (1, 300 * 50 * 8, 2**25):
        monkeypatch.setattr("olmoe_viz.engine.host_copy._STAGED", staged)
        for copied in to_host([(values, kept), (values[:3], kept)]):
            np.testing.assert_array_equal(copied, wanted[: len(copied)])
