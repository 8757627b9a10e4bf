"""Replay: images that the base generates of what it knows, mixed into batches so that it is not forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from synthgen import seeds
from synthgen.base.sizes import size_of
from synthgen.errors import ModelError
from synthgen.models import folders, registry
from synthgen.models.sampling import as_pixels
from synthgen.trainers.images.diffusion import Batch, DiffusionConfig, ReplaySettings, Source
from synthgen.trainers.images.mixed import Mixed
from synthgen.trainers.images.starting_model import Base
from synthgen.training import prior_images
from synthgen.training.task import Start
from synthgen.vision import layouts

N_TOGETHER = 32


def beside(
    own: Source,
    base: Base | None,
    config: DiffusionConfig,
    shape: tuple[int, int],
    start: Start,
    layouts_too: bool = False,
) -> Source:
    """`own`, with replayed images mixed in if `config.replay` asks for them: of classes, or also of layouts."""
    if base is None or config.replay is None:
        return own
    old = (of_layouts if layouts_too else of_classes)(base, config.replay, shape, start)

    def some(n: int, random: torch.Generator) -> Batch:
        chosen = torch.randint(len(old.x), (n,), generator=random)
        return Batch(old.x[chosen], old.labels[chosen], None if old.layout is None else old.layout[chosen])

    return Mixed(own, some, config.replay.share)


def of_classes(base: Base, settings: ReplaySettings, shape: tuple[int, int], start: Start) -> Batch:
    """Images (or layouts as images) of the base's classes in turn, generated once and kept in the work folder.

    Raises:
        ModelError: the settings name a layout model, which generates nothing here.
    """
    if settings.layout_model is not None:
        raise ModelError("replay.layout_model: is for `use: layout-to-image`; leave it out here")
    labels = [i % len(base.classes) for i in range(settings.samples)]
    pipeline = base.pipeline.to(start.device)

    def draw(rows: range) -> np.ndarray:
        noise = _noise(start.seed, "replay", rows, (pipeline.channels, *shape))
        chosen = [labels[i] for i in rows]
        images = pipeline(chosen, **_options(settings), latents=noise, output_type="np").images
        return as_pixels(images)

    found = prior_images.kept(
        start.work / "replay", _facts(base, settings, shape, start.seed), settings.samples, N_TOGETHER, draw
    )
    pipeline.to("cpu")
    x = torch.from_numpy(found).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return Batch(x, torch.tensor(labels))


def of_layouts(base: Base, settings: ReplaySettings, shape: tuple[int, int], start: Start) -> Batch:
    """Images of layouts that `settings.layout_model` generates, in the base's styles, as frequent as the base has them.

    Raises:
        ModelError: no layout model is named, or it generates other objects or classes.
    """
    layout_base = _layout_base(base, settings)
    painter, planner = base.pipeline.to(start.device), layout_base.pipeline.to(start.device)
    numbers = range(settings.samples)
    classes = [i % len(base.classes) for i in numbers]
    styles = [_style(base, cls, start.seed, i) for i, cls in zip(numbers, classes, strict=True)]
    known = layout_base.classes
    of_planner = [known.index(base.classes[cls]) if len(known) > 1 else 0 for cls in classes]
    n_objects, scale = len(base.pipeline.config.objects), float(planner.config.scale)
    small = [round(side * scale) for side in shape]

    def plan(rows: range) -> np.ndarray:
        noise = _noise(start.seed, "replay-layouts", rows, (n_objects, *small))
        found = planner.layouts([of_planner[i] for i in rows], noise, num_inference_steps=settings.steps)
        return np.stack([layouts.encode(layout, n_objects) for layout in found])

    facts = {**_facts(base, settings, shape, start.seed), "layouts": layout_base.source.sha256}
    planned = prior_images.kept(start.work / "replay-layouts", facts, settings.samples, N_TOGETHER, plan)

    def draw(rows: range) -> np.ndarray:
        noise = _noise(start.seed, "replay", rows, (painter.channels, *shape))
        shown, chosen = planned[rows.start : rows.stop], [styles[i] for i in rows]
        options = {**_options(settings), "latents": noise, "output_type": "np"}
        return as_pixels(painter(shown, [classes[i] for i in rows], chosen, **options).images)

    found = prior_images.kept(start.work / "replay", facts, settings.samples, N_TOGETHER, draw)
    painter.to("cpu")
    pixels = torch.from_numpy(found).permute(0, 3, 1, 2).float().div(255).pow(float(painter.config.gamma))
    return Batch(pixels.mul(2).sub(1), torch.tensor(styles), torch.from_numpy(planned))


def _layout_base(base: Base, settings: ReplaySettings) -> Base:
    if settings.layout_model is None:
        raise ModelError(
            "replay: the base generates images for layouts and has none of its own; name a layout model, such "
            "as `replay: {layout_model: starter/nuclei-layouts}`, or leave `replay` out"
        )
    name = settings.layout_model
    folder = folders.resolve(name)
    folders.check_class(folder, name, "LayoutPipeline", "layout")
    found = Base(name, registry.load_pipeline(folder, "cpu", torch.float32), folders.source(name))
    found.pipeline.set_progress_bar_config(disable=True)
    wanted, has = list(base.pipeline.config.objects), list(found.pipeline.config.objects)
    if wanted != has:
        raise ModelError(
            f"replay.layout_model: {name} generates layouts of {', '.join(has)}, {base.name} {', '.join(wanted)}"
        )
    missing = [cls for cls in base.classes if cls not in found.classes]
    if missing and len(found.classes) > 1:
        raise ModelError(f"replay.layout_model: {name} knows {', '.join(found.classes)}, and not {', '.join(missing)}")
    return found


def _style(base: Base, cls: int, seed: int, i: int) -> int:
    config = base.pipeline.config
    own = [style for style, of in enumerate(config.class_of_style) if of == cls]
    edges = np.cumsum([config.style_shares[style] for style in own])
    point = seeds.unit_interval(seeds.seed_of(seed, "replay-style", i))
    return own[min(int(np.searchsorted(edges, point * edges[-1], side="right")), len(own) - 1)]


def _noise(seed: int, stream: str, rows: range, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(seeds.normals([seeds.seed_of(seed, stream, i) for i in rows], shape))


def _options(settings: ReplaySettings) -> dict[str, Any]:
    return {"guidance_scale": settings.guidance, "num_inference_steps": settings.steps}


def _facts(base: Base, settings: ReplaySettings, shape: tuple[int, int], seed: int) -> dict[str, Any]:
    facts = settings.model_dump(mode="json", exclude={"share", "layout_model"})
    return {**facts, "base": base.source.sha256, "side": size_of(shape), "seed": seed}
