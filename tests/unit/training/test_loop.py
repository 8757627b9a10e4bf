"""The training loop: a run that was stopped and resumed ends with the bits of one that was not."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from synthgen.base.environment import leave_one_core, usable_cores
from synthgen.errors import Interrupted, ModelError, NonFiniteError
from synthgen.training import checkpoint, loop
from synthgen.training.batches import Batch, Batches
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Task

CONFIG = LoopConfig(steps=20, batch_size=8, learning_rate=1e-2, warmup_steps=3, checkpoint_every=4)
OnStep = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Points(Batch):
    """Points (B, 1) of a line with noise."""

    x: torch.Tensor
    y: torch.Tensor


class Line(Task):
    """Fits y = 2x + 1 with one linear layer; validations are counted."""

    def __init__(self, config: LoopConfig = CONFIG) -> None:
        self.n_validations = 0
        self.x = torch.linspace(-1, 1, 30)[:, None]
        super().__init__(config, 30, 0, "cpu")

    def network(self) -> nn.Module:
        return nn.Linear(1, 1)

    def batch(self, step: int, random: torch.Generator) -> Points:
        x = self.x[self.batches.rows(step)]
        return Points(x, 2 * x + 1 + 0.1 * torch.randn(x.shape, generator=random))

    def losses(self, batch: Points) -> torch.Tensor:
        found: torch.Tensor = (self.model(batch.x) - batch.y).square().mean(1)
        return found

    def validation(self, ema: Ema) -> dict[str, float]:
        self.n_validations += 1
        return {"validation loss": float((ema.values[min(ema.values)] - 1).abs().sum())}

    def finish(self, ema: Ema, title: str) -> Made:
        raise NotImplementedError


class Watching(Monitor):
    """Calls `on_step` after every step."""

    def __init__(self, folder: Path, then: OnStep) -> None:
        super().__init__(folder, quiet=True)
        self._then = then

    def on_step(self, done: int, total: int, loss: float, seconds_left: float | None) -> None:
        self._then(done)


def fit(task: Task, folder: Path, then: OnStep = lambda done: None, **facts: object) -> Ema:
    with Watching(folder, then) as monitor:
        return loop.fit(task, {"seed": 0, **facts}, monitor)


def fitted(folder: Path, then: OnStep = lambda done: None, config: LoopConfig = CONFIG) -> tuple[Line, Ema]:
    task = Line(config)
    return task, fit(task, folder, then)


def latest(folder: Path) -> Path:
    found = checkpoint.latest(folder / "checkpoints")
    assert found is not None
    return found


def same(a: Ema, b: Ema) -> bool:
    return all(torch.equal(a.values[name], b.values[name]) for name in a.values)


@pytest.mark.parametrize("at", [1, 4, 13, 19])
def test_resume_is_exact(tmp_path: Path, at: int) -> None:
    whole, expected = fitted(tmp_path / "whole")

    def crash(done: int) -> None:
        if done == at:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        fitted(tmp_path / "cut", crash)
    task, found = fitted(tmp_path / "cut")
    assert same(found, expected)
    assert torch.equal(task.model.weight, whole.model.weight)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_write_a_checkpoint_first(tmp_path: Path, number: int, code: int) -> None:
    def stop(done: int) -> None:
        if done == 6:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=r"step [67]") as error:
        fitted(tmp_path / "cut", stop)
    assert error.value.exit_code == code
    assert latest(tmp_path / "cut").name in ("step-00000006", "step-00000007")
    assert same(fitted(tmp_path / "cut")[1], fitted(tmp_path / "whole")[1])


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    _, first = fitted(tmp_path)
    task, second = fitted(tmp_path)
    assert task.n_validations == 0
    assert same(first, second)


def test_only_two_checkpoints_are_kept_and_torn_ones_removed(tmp_path: Path) -> None:
    fitted(tmp_path)
    (tmp_path / "checkpoints" / ".step-00000099-torn").mkdir()
    assert latest(tmp_path) == tmp_path / "checkpoints" / "step-00000020"
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000016", "step-00000020"]


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    fitted(tmp_path)
    with pytest.raises(ModelError, match=r"other settings or data \(seed\)"):
        fit(Line(), tmp_path, seed=1)


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fitted(tmp_path)
    (latest(tmp_path) / "state.json").write_text("{")
    with pytest.raises(ModelError, match="step-00000020 is damaged"):
        fitted(tmp_path)


def test_learning_rate_rises_then_falls() -> None:
    rates = [loop.rate(step, CONFIG) for step in range(20)]
    assert rates[0] < rates[1] < rates[2]
    assert max(rates) <= 1
    assert all(a > b for a, b in itertools.pairwise(rates[3:]))
    assert rates[-1] < 0.05


def test_batches_see_every_row_once_an_epoch() -> None:
    rows = torch.cat([Batches(30, 8, 3).rows(step) for step in range(15)])
    assert sorted(rows[:30].tolist()) == list(range(30))
    assert sorted(rows[30:60].tolist()) == list(range(30))
    assert rows[:30].tolist() != rows[30:60].tolist()
    assert len(Batches(3, 8, 0).rows(5)) == 8


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

    def network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1))


def test_frozen_weights_are_neither_changed_nor_averaged_nor_saved(tmp_path: Path) -> None:
    task = Adapted()
    before = task.model[0].weight.clone()
    ema = fit(task, tmp_path)
    assert torch.equal(task.model[0].weight, before)
    assert set(ema.values) == {"1.weight", "1.bias"}
    saved = latest(tmp_path)
    for name in ("model", "ema"):
        assert set(load_file(saved / f"{name}.safetensors")) == {"1.weight", "1.bias"}
    again = Adapted()
    assert same(fit(again, tmp_path), ema)
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

    def batch(self, step: int, random: torch.Generator) -> Points:
        self.now = step + 1
        return super().batch(step, random)

    def losses(self, batch: Points) -> torch.Tensor:
        found = super().losses(batch)
        if self.now != self.at:
            return found
        return found * float("nan") if self.what == "loss" else found + self.model.weight.sum().mul(0).sqrt()


class Parts(Line):
    """Counts the parts that batches are computed in."""

    n_calls = 0

    def losses(self, batch: Points) -> torch.Tensor:
        self.n_calls += 1
        return super().losses(batch)


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    gradients = []
    for accumulate in (1, 3, 99):
        task = Parts(CONFIG.model_copy(update={"gradient_accumulation_steps": accumulate}))
        loss = loop.backward(task, 5)
        gradients.append([loss, task.model.weight.grad.item(), task.model.bias.grad.item()])
        assert task.n_calls == min(accumulate, 8)
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-6)
    assert gradients[2] == pytest.approx(gradients[0], rel=1e-6)


class Summed(Line):
    """Says what each sample adds to a loss that was divided by 2 for the whole batch."""

    summed = True

    def losses(self, batch: Points) -> torch.Tensor:
        return super().losses(batch) / 2


def test_losses_that_are_shares_of_a_sum_are_added_up() -> None:
    assert loop.backward(Summed(), 5) == pytest.approx(loop.backward(Line(), 5) * 8 / 2)


class Dropping(Line):
    """Half of the inputs are dropped by the global generator."""

    def network(self) -> nn.Module:
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1))


def test_dropout_follows_from_the_step_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    losses = [loop.backward(Dropping(), step) for step in (3, 3, 4)]
    torch.manual_seed(2)
    assert [loop.backward(Dropping(), step) for step in (3, 3, 4)] == losses
    assert losses[0] == losses[1] != losses[2]
    state = torch.random.get_rng_state()
    loop.backward(Dropping(), 3)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_large_gradients_are_clipped(tmp_path: Path) -> None:
    """The weights' change in one step of plain AdamW hides the gradient's size, so its first moment is looked at."""
    norms = []
    for max_grad_norm in (1e-3, 1e3):
        config = CONFIG.model_copy(update={"steps": 1, "max_grad_norm": max_grad_norm, "checkpoint_every": 1})
        fitted(tmp_path / str(max_grad_norm), config=config)
        saved = load_file(latest(tmp_path / str(max_grad_norm)) / "optimiser.safetensors")
        norms.append(float(sum(value.square().sum() for key, value in saved.items() if key.endswith("exp_avg")).sqrt()))  # type: ignore[union-attr]
    assert norms[0] == pytest.approx(0.1 * 1e-3, rel=1e-3)  # 1 - beta_1 of the clipped gradient
    assert norms[1] > 100 * norms[0]


@pytest.mark.parametrize("world", [1, 3, 8])
def test_shares_of_processes_join_to_the_whole_batch(world: int) -> None:
    whole = Batches(30, 8, seed=3)
    shares = [replace(whole, rank=rank, world=world) for rank in range(world)]
    for step in range(7):
        assert torch.equal(torch.cat([share.rows(step) for share in shares]), whole.rows(step))
    numbers = [torch.rand(1, generator=share.generator("noise", 5)).item() for share in shares]
    assert len(set(numbers)) == world
    assert numbers[0] == torch.rand(1, generator=whole.generator("noise", 5)).item()


def test_metrics_are_reported_and_kept_as_one_object(tmp_path: Path) -> None:
    reported: dict[int, float] = {}

    def report(step: int, metrics: Mapping[str, float]) -> None:
        reported[step] = metrics["validation loss"]

    with Monitor(tmp_path, True, metric=("validation loss", "minimize"), report=report) as monitor:
        loop.fit(Line(), {"seed": 0}, monitor)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(reported) == [4, 8, 12, 16, 20]
    assert (scores["metric"], scores["direction"]) == ("validation loss", "minimize")
    assert {int(k): v["validation loss"] for k, v in scores["steps"].items()} == pytest.approx(reported, abs=1e-6)
    assert scores["last"] == {"step": 20, **scores["steps"]["20"]}
    best = min(reported, key=lambda step: reported[step])
    assert scores["best"] == {"step": best, **scores["steps"][str(best)]}
    assert {"training loss", "seconds a step"} <= set(scores["last"])


def test_the_best_step_is_that_of_the_metric_and_numbers_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    with Monitor(tmp_path, True, metric=("dice", "maximize")) as monitor:
        for step, dice in ((1, 0.5), (2, 0.9), (3, float("nan"))):
            monitor.record(step, {"training loss": 1 / step, "dice": dice})
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["best"]["step"], scores["last"]) == (2, {"step": 3, "training loss": 0.333333})


def test_without_its_metric_the_training_loss_says_which_step_was_best(tmp_path: Path) -> None:
    with Monitor(tmp_path, True, metric=("dice", "maximize")) as monitor:
        for step, loss in ((1, 0.2), (2, 0.3)):
            monitor.record(step, {"training loss": loss})
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["metric"], scores["direction"], scores["best"]["step"]) == ("training loss", "minimize", 1)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_training_that_diverges_stops_and_keeps_what_was_before(tmp_path: Path, what: str) -> None:
    with pytest.raises(NonFiniteError, match=r"the training diverged: the loss of step 7 .* no model was written"):
        fit(Diverging(7, what), tmp_path)
    found = latest(tmp_path)
    assert found.name.endswith("4")
    assert all(weights.isfinite().all() for weights in load_file(found / "model.safetensors").values())
