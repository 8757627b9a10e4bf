"""The training loop: a run that was stopped and resumed ends with the bits of one that was not."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from synthgen.base.environment import leave_one_core, usable_cores
from synthgen.errors import Interrupted, ModelError, NonFiniteError
from synthgen.training import checkpoint, loop
from synthgen.training.ema import Ema
from synthgen.training.loop import LoopConfig, Progress

CONFIG = LoopConfig(steps=20, batch_size=8, learning_rate=1e-2, warmup=3, checkpoint_every=4)
QUIET = Progress(lambda done, total, loss, left: None)


class Line:
    """Fits y = 2x + 1 with one linear layer; reports are remembered."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = nn.Linear(1, 1)
        self.x = torch.linspace(-1, 1, 30)[:, None]
        self.reports: list[int] = []

    def loss(self, step: int) -> torch.Tensor:
        x = self.x[loop.batch_rows(30, 8, step, seed=0)]
        noise = torch.randn(x.shape, generator=loop.step_generator(0, "noise", step))
        return (self.model(x) - (2 * x + 1 + 0.1 * noise)).square().mean()

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        self.reports.append(step)


def fitted(folder: Path, progress: Progress = QUIET, config: LoopConfig = CONFIG) -> tuple[Line, Ema]:
    task = Line()
    return task, loop.fit(task, config, folder, {"seed": 0}, progress)


def same(a: Ema, b: Ema) -> bool:
    return all(torch.equal(a.values[name], b.values[name]) for name in a.values)


@pytest.mark.parametrize("at", [1, 4, 13, 19])
def test_resume_is_exact(tmp_path: Path, at: int) -> None:
    whole, expected = fitted(tmp_path / "whole")

    def crash(done: int, total: int, loss: float, left: float | None) -> None:
        if done == at:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        fitted(tmp_path / "cut", Progress(crash))
    task, found = fitted(tmp_path / "cut")
    assert same(found, expected)
    assert torch.equal(task.model.weight, whole.model.weight)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_write_a_checkpoint_first(tmp_path: Path, number: int, code: int) -> None:
    def stop(done: int, total: int, loss: float, left: float | None) -> None:
        if done == 6:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=r"step [67]") as error:
        fitted(tmp_path / "cut", Progress(stop))
    assert error.value.exit_code == code
    latest = checkpoint.latest(tmp_path / "cut")
    assert latest is not None
    assert latest.name in ("step-00000006", "step-00000007")
    assert same(fitted(tmp_path / "cut")[1], fitted(tmp_path / "whole")[1])


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    _, first = fitted(tmp_path)
    task, second = fitted(tmp_path)
    assert task.reports == []
    assert same(first, second)


def test_only_two_checkpoints_are_kept_and_torn_ones_removed(tmp_path: Path) -> None:
    fitted(tmp_path)
    (tmp_path / ".step-00000099-torn").mkdir()
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000020"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000016", "step-00000020"]


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    fitted(tmp_path)
    with pytest.raises(ModelError, match=r"other settings \(seed\)"):
        loop.fit(Line(), CONFIG, tmp_path, {"seed": 1}, QUIET)


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fitted(tmp_path)
    (tmp_path / "step-00000020" / "state.json").write_text("{")
    with pytest.raises(ModelError, match="step-00000020 is damaged"):
        fitted(tmp_path)


def test_learning_rate_rises_then_falls() -> None:
    rates = [loop.rate(step, CONFIG) for step in range(20)]
    assert rates[0] < rates[1] < rates[2]
    assert max(rates) <= 1
    assert all(a > b for a, b in itertools.pairwise(rates[3:]))
    assert rates[-1] < 0.05


def test_batches_see_every_row_once_an_epoch() -> None:
    rows = torch.cat([loop.batch_rows(30, 8, step, seed=3) for step in range(15)])
    assert sorted(rows[:30].tolist()) == list(range(30))
    assert sorted(rows[30:60].tolist()) == list(range(30))
    assert rows[:30].tolist() != rows[30:60].tolist()
    assert len(loop.batch_rows(3, 8, 5, seed=0)) == 8


def test_ema_follows_the_weights_and_copies_counters() -> None:
    model = nn.BatchNorm1d(2)
    ema = Ema(model, decay=0.5)
    model.num_batches_tracked.fill_(7)
    with torch.no_grad():
        model.weight.fill_(3.0)
    ema.update(model, step=100)
    assert ema.values["weight"].tolist() == [2.0, 2.0]
    assert int(ema.values["num_batches_tracked"]) == 7


def test_a_core_is_left_to_others_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        leave_one_core()
        assert torch.get_num_threads() == before  # OMP_NUM_THREADS is set for all tests
        monkeypatch.delenv("OMP_NUM_THREADS")
        leave_one_core()
        assert torch.get_num_threads() == max(1, usable_cores() - 1)
    finally:
        torch.set_num_threads(before)


class Adapted(Line):
    """A frozen line, and a small change to it that is trained."""

    def __init__(self) -> None:
        super().__init__()
        base = nn.Linear(1, 1).requires_grad_(False)
        self.model = nn.Sequential(base, nn.Linear(1, 1))


def test_frozen_weights_are_neither_changed_nor_averaged_nor_saved(tmp_path: Path) -> None:
    task = Adapted()
    before = task.model[0].weight.clone()
    ema = loop.fit(task, CONFIG, tmp_path, {"seed": 0}, QUIET)
    assert torch.equal(task.model[0].weight, before)
    assert set(ema.values) == {"1.weight", "1.bias"}
    saved = checkpoint.latest(tmp_path)
    assert saved is not None
    for name in ("model", "ema"):
        assert set(load_file(saved / f"{name}.safetensors")) == {"1.weight", "1.bias"}
    again = Adapted()
    assert same(loop.fit(again, CONFIG, tmp_path, {"seed": 0}, QUIET), ema)
    assert torch.equal(again.model[1].weight, task.model[1].weight)


def test_averages_are_inside_for_a_while_only() -> None:
    model = nn.Linear(1, 1)
    ema, own = Ema(model, 0.5), model.weight.clone()
    ema.values["weight"].fill_(7.0)
    with ema.inside(model):
        assert model.weight.item() == 7.0
    assert torch.equal(model.weight, own)


class Diverging(Line):
    """The loss of one step is NaN, or its gradient infinite."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__()
        self.at, self.what = at, what

    def loss(self, step: int) -> torch.Tensor:
        found = super().loss(step)
        if step + 1 != self.at:
            return found
        return found * float("nan") if self.what == "loss" else found + self.model.weight.sum().mul(0).sqrt()  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_training_that_diverges_stops_and_keeps_what_was_before(tmp_path: Path, what: str) -> None:
    with pytest.raises(NonFiniteError, match=r"the training diverged: the loss of step 7 .* no model was written"):
        loop.fit(Diverging(7, what), CONFIG, tmp_path, {"seed": 0}, QUIET)
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.name.endswith("4")
    assert all(weights.isfinite().all() for weights in load_file(found / "model.safetensors").values())
