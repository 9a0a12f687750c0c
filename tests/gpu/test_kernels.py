import pytest
import torch

from olmoe_viz.engine.gpu_decoder import sizes_of
from olmoe_viz.engine.kernels.gpu import linear, next_token, self_test, step
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, Weights, Work, weights_of
from olmoe_viz.models.model import Model

Setting = tuple[Sizes, Weights]


@pytest.fixture(scope="module")
def setting(model: Model) -> Setting:
    assert model.parts is not None
    return sizes_of(model, model.parts), weights_of(model.parts, model.sites, 512)


@pytest.mark.parametrize("rows", [1, 2, 5, 8, 9, 33, MAX_ROWS])
@pytest.mark.parametrize("layer", [0, 3])
@pytest.mark.parametrize("pdl", [False, True])
def test_every_kernel_is_its_reference(setting: Setting, rows: int, layer: int, pdl: bool) -> None:
    assert self_test.failing(*setting, rows=rows, pdl=pdl, layer=layer) == []


def test_a_kernel_that_computes_something_else_is_found(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "project", lambda *_, **__: None)
    found = self_test.failing(*setting, rows=3, pdl=False)
    assert found == [
        f"output projection: {name}" for name in ("middle", "scaled", "squares", "raw")
    ]


def _step(setting: Setting, work: Work, cache: list[tuple[torch.Tensor, torch.Tensor]]) -> Work:
    step.run(*setting, cache, work, pdl=True)
    next_token.advance(*setting, work, drawn=False, pdl=True)
    torch.cuda.synchronize()
    return work


def _cache(setting: Setting, rows: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    sizes, weights = setting
    return [self_test.random_work(sizes, weights, rows)[1] for _ in weights.layers]


def _alone(setting: Setting, work: Work, row: int) -> Work:
    sizes, weights = setting
    alone = Work.empty(sizes, 1, weights.embed.device)
    policy = ("threshold", "weighting", "acting", "bias", "marks", "targets", "mass")
    for name in ("position", "base", *policy, "hidden", "scaled", "squares"):
        getattr(alone, name).copy_(getattr(work, name)[row : row + 1])
    alone.ks[:, 0] = work.ks[:, row]
    return alone


@pytest.mark.parametrize("rows", [2, 5, 8])
def test_a_row_is_to_the_bit_what_it_is_alone(setting: Setting, rows: int) -> None:
    work, _ = self_test.random_work(*setting, rows)
    rows_alone = [_alone(setting, work, row) for row in range(rows)]
    alone = [_step(setting, row, _cache(setting, rows)) for row in rows_alone]
    together = _step(setting, work, _cache(setting, rows))
    for name in ("record", "logits", "chosen"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(a, name) for a in alone]))


@pytest.mark.parametrize("rows", [9, MAX_ROWS])
def test_of_many_rows_each_is_what_it_is_alone_but_for_rounding(
    setting: Setting, rows: int
) -> None:
    work, _ = self_test.random_work(*setting, rows)
    work.ks.fill_(64)  # no expert may enter or leave by rounding
    work.threshold.zero_()
    work.acting.zero_()
    row = rows - 1
    alone = _step(setting, _alone(setting, work, row), _cache(setting, rows))
    together = _step(setting, work, _cache(setting, rows))
    difference = (together.logits[row] - alone.logits[0]).norm() / alone.logits[0].norm()
    assert difference < 0.02


def test_two_steps_of_the_same_are_equal_to_the_bit(setting: Setting) -> None:
    work, _ = self_test.random_work(*setting, 6)
    first, second = (_step(setting, work.clone(), _cache(setting, 6)) for _ in range(2))
    assert torch.equal(first.record, second.record)
    assert torch.equal(first.logits, second.logits)
