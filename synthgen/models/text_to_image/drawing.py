"""A loaded pipeline of diffusers, called with prompts, scales and one random stream a sample."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.base.sizes import shown
from synthgen.errors import ModelError
from synthgen.models.text_to_image import families
from synthgen.models.text_to_image.lazy_column import LazyColumn
from synthgen.models.text_to_image.prompt_embeddings import PromptEncoder


@dataclass(frozen=True, slots=True)
class Memory:
    """How GPU memory is saved: `offload` is none, model or sequential; the VAE decodes in slices or tiles."""

    offload: str = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One sample: its prompt, its guidance scale, its seed, and further arguments of the pipeline's call."""

    prompt: str
    scale: float
    seed: int
    given: Mapping[str, Any]


class Drawing:
    """Generates images of `size` (height, width); what a sample looks like depends on its own values alone.

    Samples share a call of the pipeline where its arithmetic keeps them apart, and are drawn one by
    one elsewhere. On a GPU, text-to-image images are decoded when they are looked at, in a stream
    beside the one that generates, so that the next batch may be generated meanwhile.

    Args:
        scales: every guidance scale that samples may have.
    """

    def __init__(self, pipeline: Any, size: tuple[int, int], scales: Sequence[float], negative_prompt: str) -> None:
        self.pipeline, self.size, self._largest = pipeline, size, max(scales)
        self.family = families.family_of(pipeline)
        kind = type(pipeline).__name__
        if self.family.negative == "no" and negative_prompt:
            raise ModelError(f"a {kind} understands no `negative_prompt`; leave it out")
        self.encoder = PromptEncoder(pipeline, self.family, negative_prompt, self._largest > 1)
        self.accepted = set(inspect.signature(type(pipeline).__call__).parameters)
        on_gpu = pipeline.device.type == "cuda"  # not if weights are kept in main memory
        self._decodes_later = on_gpu and self.family.unscaled is not None and "strength" not in self.accepted
        if self._decodes_later and getattr(pipeline.vae.config, "force_upcast", False):
            pipeline.vae.float()  # it overflows in float16
        self._stream: Any = None
        network = getattr(getattr(pipeline, "unet", None), "config", None)
        told = not self.family.product or getattr(network, "time_cond_proj_dim", None) is not None
        self._mixes = len(scales) > 1 and not told
        self._together = self.family.batched and (self._mixes or len(scales) == 1)

    def draw(self, asked: Sequence[Asked], n_steps: int, same: Mapping[str, Any]) -> Sequence[Any]:
        """Images uint8 (height, width, 3), one per sample; `same` are arguments of the call that all samples share."""
        if self._together:
            return self._call(asked, n_steps, same)
        return [picture for one in asked for picture in self._call([one], n_steps, same)]

    def _call(self, asked: Sequence[Asked], n_steps: int, same: Mapping[str, Any]) -> Sequence[Any]:
        from synthgen.models.sampling import as_pixels, torch_generator
        from synthgen.models.text_to_image.guidance import Scales

        scale = Scales(tuple(one.scale for one in asked), self._largest) if self._mixes else asked[0].scale
        options = {"height": self.size[0], "width": self.size[1], self.family.guidance: scale}
        out = self.pipeline(
            **self.encoder.arguments([one.prompt for one in asked]),
            **{name: [one.given[name] for one in asked] for name in asked[0].given},
            **{name: value for name, value in options.items() if name in self.accepted},
            **same,
            num_inference_steps=n_steps,
            generator=[torch_generator(one.seed) for one in asked],
            output_type="latent" if self._decodes_later else "np",
        ).images
        return self._decoded_later(out) if self._decodes_later else list(as_pixels(out))

    def _decoded_later(self, latents: Any) -> LazyColumn:
        import torch

        from synthgen.models.sampling import as_pixels

        self._stream = self._stream or torch.cuda.Stream(latents.device)  # type: ignore[no-untyped-call]
        drawn = torch.cuda.Event()  # type: ignore[no-untyped-call]
        drawn.record()

        def decode() -> Sequence[Any]:
            with torch.cuda.stream(self._stream):
                drawn.wait()
                return list(as_pixels(self.decode(latents)))

        return LazyColumn(len(latents), decode)

    def decode(self, latents: Any) -> np.ndarray:
        """Images float32 (N, H, W, 3) in [0, 1] of what the pipeline calls latents."""
        import torch

        assert self.family.unscaled is not None
        vae = self.pipeline.vae
        with torch.inference_mode():
            scaled = self.family.unscaled(self.pipeline, latents, *self.size).to(vae.dtype)
            decoded = vae.decode(scaled, return_dict=False)[0]
            pictures: np.ndarray = self.pipeline.image_processor.postprocess(decoded, output_type="np")
        return pictures


def placed(pipeline: Any, device: str, memory: Memory, compiled: bool) -> Any:
    """The pipeline on its device, with what saves memory or time switched on.

    Raises:
        ModelError: weights are to be kept off a GPU where there is none, or the network cannot be compiled in parts.
    """
    if memory.offload != "none" and not device.startswith("cuda"):
        raise ModelError("`offload` keeps weights off a GPU, and there is none here; leave it out")
    if memory.vae_slicing:
        pipeline.vae.enable_slicing()
    if memory.vae_tiling:
        pipeline.vae.enable_tiling()
    if memory.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif memory.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if compiled:
        network: Any = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
        if not getattr(network, "_repeated_blocks", None):
            raise ModelError(f"the network of a {type(pipeline).__name__} has no repeated blocks; leave `compile` out")
        network.compile_repeated_blocks(fullgraph=True)
    return pipeline


def check_size(model: str, pipeline: Any, size: tuple[int, int]) -> None:
    """Raises ModelError if the pipeline cannot draw images of `size`."""
    cell = getattr(pipeline, "vae_scale_factor", 1)
    if type(pipeline).__name__.startswith("Flux"):
        cell *= 2  # it packs 2 x 2 latents into one token
    if size[0] % cell or size[1] % cell:
        raise ModelError(f"{model}: `size` must be multiples of {cell} for this model (got {shown(size)})")


def scheduler(name: str, current: Any) -> Any:
    """The scheduler `name` with the settings of `current`. Raises ModelError if the model cannot be drawn with it."""
    compatible = {cls.__name__: cls for cls in current.compatibles}
    if name not in compatible:
        raise ModelError(f"scheduler {name} does not fit this model; these do: {', '.join(sorted(compatible))}")
    return compatible[name].from_config(current.config)
