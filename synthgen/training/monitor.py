"""What a training shows of itself: a progress bar, metrics as JSON, TensorBoard, a plot and image grids."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from synthgen.base import terminal
from synthgen.base.units import duration

EVERY_S = 15.0
SCORES = "scores.json"


class Monitor:
    """Writes to `folder`: losses.jsonl, scores.json, losses.png, samples-<step>.png and tensorboard/.

    On a terminal it shows a progress bar, on a pipe a plain line now and then, and nothing if quiet.

    Args:
        notes: on how the data were read; they come first.
        metric: name and direction of the metric that says which step was best.
        report: called with the number of steps and the metrics of every checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        quiet: bool,
        notes: Sequence[str] = (),
        metric: tuple[str, str] = ("training loss", "minimize"),
        report: Callable[[int, Mapping[str, float]], None] | None = None,
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.quiet = quiet
        self._notes, self._metric, self._report = notes, metric, report
        folder.mkdir(parents=True, exist_ok=True)
        self._board = SummaryWriter(str(folder / "tensorboard"))
        self._bar: Progress | None = None
        self._said = time.monotonic()
        self._seen = False

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(bar_width=None),
                TextColumn("loss {task.fields[loss]:.4f}"),
                TextColumn("{task.fields[left]}"),
                console=terminal.console(),
                expand=True,
            )
            self._task = self._bar.add_task("train", total=None, loss=float("nan"), left="")
            self._bar.start()
        for note in self._notes:
            self.say(f"note: {note}")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._board.close()

    def on_step(self, done: int, total: int, loss: float, seconds_left: float | None) -> None:
        left = f"about {duration(seconds_left)} left" if seconds_left else ""
        if not self._seen and done > 1:
            self.say(f"went on from step {done - 1} of {total}")
        self._seen = True
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, loss=loss, left=left)
        elif not self.quiet and (time.monotonic() - self._said > EVERY_S or done == total):
            self._said = time.monotonic()
            click.echo(", ".join(filter(None, (f"step {done} of {total}", f"loss {loss:.4f}", left))), err=True)

    def record(self, step: int, numbers: Mapping[str, float]) -> None:
        """One line of losses.jsonl, the same numbers in TensorBoard, and scores.json and the plot of all steps so far.

        A training that was killed after writing a line and goes on from before it writes it again: the last counts.
        """
        with open(self.folder / "losses.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in numbers.items()}}) + "\n")
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)
        self.say(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
        entries = read_losses(self.folder)
        write_scores(entries, self._metric, self.folder / SCORES)
        plot_losses(entries, self.folder / "losses.png")
        if self._report is not None:
            self._report(step, numbers)

    def say(self, text: str) -> None:
        """A line for the user."""
        if self._bar is not None:
            self._bar.console.print(terminal.escape(text), highlight=False, markup=False, soft_wrap=True)
        elif not self.quiet:
            click.echo(text, err=True)

    def pictures(self, step: int, images: np.ndarray, n_columns: int) -> None:
        """A grid of uint8 images (N, H, W, C), row by row, as samples-<step>.png and in TensorBoard."""
        sheet = grid(images, n_columns)
        save_png(sheet, self.picture_file(step), scale=max(1, 64 // images.shape[1]))
        self._board.add_image("samples", sheet, step, dataformats="HWC")

    def picture_file(self, step: int) -> Path:
        """Where the image of a step goes: samples-<step>.png."""
        return self.folder / f"samples-{step:06d}.png"


def read_losses(folder: Path) -> list[dict[str, float]]:
    """The lines of losses.jsonl by step, the last of each step; without numbers that are not finite."""
    try:
        lines = (folder / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    finite = ({name: value for name, value in json.loads(line).items() if math.isfinite(value)} for line in lines)
    by_step = {int(entry["step"]): entry for entry in finite}
    return [by_step[step] for step in sorted(by_step)]


def write_scores(entries: list[dict[str, float]], metric: tuple[str, str], path: Path) -> None:
    """Metrics by step, the last and the best of them as one JSON object, which is complete whenever it is there.

    The best is that of `metric`, a name and `minimize` or `maximize`; of the training loss if it was not measured.
    """
    name, direction = metric if any(metric[0] in entry for entry in entries) else ("training loss", "minimize")
    sign = 1 if direction == "minimize" else -1
    measured = [entry for entry in entries if name in entry]
    found = {
        "metric": name,
        "direction": direction,
        "best": min(measured, key=lambda entry: sign * entry[name], default=None),
        "last": entries[-1],
        "steps": {str(entry["step"]): {key: entry[key] for key in entry if key != "step"} for entry in entries},
    }
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def plot_losses(entries: list[dict[str, float]], path: Path) -> None:
    """Every recorded loss over the steps, as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [name for name in entries[-1] if "loss" in name] if entries else []
    for name in names:
        points = [(entry["step"], entry[name]) for entry in entries if name in entry]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None, label=name)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside upper center", fontsize="small", ncols=3)
    figure.savefig(path, dpi=120)


def grid(images: np.ndarray, n_columns: int, gap_px: int = 1) -> np.ndarray:
    """Images (N, H, W, C) side by side with white gaps, uint8 (H', W', C)."""
    n, height, width, channels = images.shape
    n_rows = -(-n // n_columns)
    shape = (n_rows * (height + gap_px) + gap_px, n_columns * (width + gap_px) + gap_px, channels)
    sheet = np.full(shape, 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = (gap_px + k * (s + gap_px) for k, s in zip(divmod(i, n_columns), (height, width), strict=True))
        sheet[top : top + height, left : left + width] = image
    return sheet


def save_png(array: np.ndarray, path: Path, scale: int = 1) -> None:
    """uint8 (H, W, C) as a PNG, every pixel a square of `scale`."""
    from PIL import Image

    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)
