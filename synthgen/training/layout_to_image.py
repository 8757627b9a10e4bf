"""`use: layout-to-image`: trains a diffusion pipeline that draws images to fit layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from synthgen.models.layout_to_image import LayoutToImagePipeline
from synthgen.protocols import Source
from synthgen.realdata import masks
from synthgen.realdata.masks import Examples, MaskData
from synthgen.training import crops, loop, output, styles
from synthgen.training.crops import Crops
from synthgen.training.diffusion import DiffusionConfig, train_pipeline, unet

CHANNELS = 3
N_PICTURES = 24


class LayoutToImageTrainer:
    """Trains on images with masks or boxes; ends with a LayoutToImagePipeline folder, its card and its pictures."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(DiffusionConfig):
        """Settings of `use: layout-to-image`."""

        data: MaskData = Field(description="Images with masks or boxes.")
        crop: int = Field(default=64, ge=16, description="Side of the training crops in pixels.")
        gamma: float = Field(
            default=1.0, gt=0, le=1, description="Pixels v become (v / 255)^gamma; 0.5 suits dark pictures."
        )
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )
        styles: int = Field(
            default=1,
            ge=1,
            le=1000,
            description="Kinds of exposure and stain that are told apart within the classes, by clustering.",
        )
        layout_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of layouts that are hidden, which guidance needs."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json")

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the images cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        config = self.config
        training, held_out = masks.read(config.data).split(config.data.validation, seed)
        found = styles.find(training, held_out, config.styles, config.gamma)
        source = Crops(found.training, found.held_out, config.crop, config.gamma, config.turn, config.layout_dropout)
        names: dict[int | str, str] = dict(enumerate(training.classes))
        patch, n_objects = config.network.patch_size, len(training.objects)
        grey = grey_classes(training)

        def make(model: Any, scheduler: Any) -> LayoutToImagePipeline:
            return LayoutToImagePipeline(
                model, scheduler, patch, config.gamma, training.objects, names, grey, found.class_of, found.shares
            )

        trained = train_pipeline(
            config,
            source,
            network=lambda: unet(config.network, config.crop, CHANNELS, n_objects, len(found.class_of)),
            deviation=crops.deviation(source),
            make=make,
            draw=lambda pipeline: pictures(pipeline, source, found.class_of, seed),
            facts={"images": len(training) + len(held_out), **self.identity()},
            out=out,
            seed=seed,
            device=device,
            quiet=quiet,
        )
        more = {"crop": f"{config.crop} px", "gamma": config.gamma, "layout dropout": config.layout_dropout}
        more["styles"] = len(found.class_of)
        settings = {**trained.settings, **more}
        use = (
            f"Draws RGB images to fit layouts of {', '.join(training.objects)}, in the styles "
            f"{', '.join(training.classes)}. In a recipe: `sampler: {{use: layout-to-image, model: <this folder>}}`."
        )
        text = output.mask_card(out.name, config.data, training, settings, trained.scores, use)
        return output.finish(out, lambda folder: trained.pipeline.to("cpu").save_pretrained(folder), text)


def grey_classes(examples: Examples) -> list[int]:
    """Ids of the classes whose pictures are all grey."""
    coloured = {item.label for item in examples.items if (item.image != item.image[..., :1]).any()}
    return [label for label in range(len(examples.classes)) if label not in coloured]


def pictures(
    pipeline: LayoutToImagePipeline, source: Crops, class_of: Sequence[int], seed: int
) -> tuple[np.ndarray, int]:
    """Layout, drawn image and real image of some held-out crops, in rows of two triples."""
    batch = next(iter(source.held_out()))
    assert batch.layout is not None
    n = min(N_PICTURES // 2, len(batch.x))
    noise = torch.randn(batch.x[:n].shape, generator=loop.step_generator(seed, "pictures", 0))
    chosen = batch.labels[:n].tolist()
    classes = [class_of[style] for style in chosen]
    drawn = pipeline(batch.layout[:n], classes, chosen, latents=noise, output_type="uint8").images
    real = (batch.x[:n].add(1).div(2).pow(1 / source.gamma) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    shown = layout_pictures(batch.layout[:n].numpy())
    return np.stack([shown, drawn, real], axis=1).reshape(3 * n, *drawn.shape[1:]), 6


def layout_pictures(channels: np.ndarray) -> np.ndarray:
    """Layout channels (N, K, H, W) as pictures uint8 (N, H, W, 3); of more than three channels, the first three."""
    shown = np.zeros((len(channels), 3, *channels.shape[2:]), dtype=np.float32)
    if channels.shape[1] == 1:
        shown[:] = channels * 0.5 + 0.5
    else:
        shown[:, : min(3, channels.shape[1])] = channels[:, :3] * 0.5 + 0.5
    return (shown.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
