"""A small Stable Diffusion that is really trained, and images whose objects are known: for attention_masks.py.

One or two pieces of clothing (Fashion-MNIST), each class in a hue of its own, on a coloured and textured ground of 64
pixels; the caption names them. Under noise that hides hue and outline the word tells both, and so it is attended to.
The networks are diffusers' own: a UNet2DConditionModel that attends to words at 16x16 and 8x8 cells, a CLIPTextModel
that learns with it, and an AutoencoderKL whose latents are the pixels of 4x4 patches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from synthgen.readers.images import labelled

SIDE = 64
PATCH = 4
LATENTS = 3 * PATCH**2
DATA = "../shared/data/fashion_mnist"
NAMES = {"bag": "Bag", "trouser": "Trouser", "pullover": "Pullover", "ankle boot": "Ankle boot"}
"""Our words for the classes, one of them of two words, and the data set's."""
HUES = np.array([[255, 150, 130], [150, 235, 150], [150, 170, 255], [235, 215, 110]])
WORDS = ("a", "an", "and", "bag", "trouser", "pullover", "ankle", "boot")
MAX_TOKENS = 12


@dataclass(frozen=True)
class Scenes:
    """Images uint8 (N, 64, 64, 3), the class of each pixel uint8 (N, 64, 64) from 1 on, and the classes shown."""

    images: np.ndarray
    regions: np.ndarray
    classes: list[tuple[int, ...]]

    @property
    def captions(self) -> list[str]:
        return [caption(classes) for classes in self.classes]


def caption(classes: tuple[int, ...]) -> str:
    """Such as `a bag and an ankle boot`."""
    names = [list(NAMES)[cls - 1] for cls in classes]
    return " and ".join(f"{'an' if name[0] == 'a' else 'a'} {name}" for name in names)


def scenes(n: int, split: str, seed: int) -> Scenes:
    """`n` images, half with one object and half with two of different classes, from clothes of one split."""
    found = labelled.read(DATA, split)  # type: ignore[arg-type]
    rows = [np.flatnonzero(found.labels == found.classes.index(name)) for name in NAMES.values()]
    random = np.random.default_rng(seed)
    images = np.empty((n, SIDE, SIDE, 3), dtype=np.uint8)
    regions = np.zeros((n, SIDE, SIDE), dtype=np.uint8)
    asked = []
    for i in range(n):
        asked.append(tuple(int(c) for c in random.permutation(len(NAMES))[: 1 + i % 2] + 1))
        picture = _ground(random)
        for cls, (top, left, side) in zip(asked[-1], _places(len(asked[-1]), random), strict=True):
            clothing = found.images[random.choice(rows[cls - 1]), :, :, 0]
            _put(picture, regions[i], clothing, cls, top, left, side, random)
        images[i] = picture.clip(0, 255)
    return Scenes(images, regions, asked)


def _ground(random: np.random.Generator) -> np.ndarray:
    """A ground of smooth spots in two colours, with grain."""
    spots = torch.from_numpy(random.normal(size=(1, 1, 8, 8)))
    smooth = F.interpolate(spots, (SIDE, SIDE), mode="bicubic", align_corners=False)[0, 0].numpy()
    mix = 1 / (1 + np.exp(-2 * smooth))[..., None]
    colours = random.uniform(20, 110, (2, 3))
    ground: np.ndarray = mix * colours[0] + (1 - mix) * colours[1] + random.normal(0, 6, (SIDE, SIDE, 1))
    return ground


def _places(n: int, random: np.random.Generator) -> list[tuple[int, int, int]]:
    """Top, left and side of `n` squares that do not touch."""
    while True:
        sides = random.integers(24, 33, n)
        corners = [random.integers(0, SIDE - side + 1, 2).tolist() for side in sides]
        placed = [(int(top), int(left), int(side)) for (top, left), side in zip(corners, sides, strict=True)]
        if n == 1 or max(abs(corners[0][k] - corners[1][k]) for k in (0, 1)) >= max(sides):
            return placed


def _put(
    picture: np.ndarray,
    region: np.ndarray,
    clothing: np.ndarray,
    cls: int,
    top: int,
    left: int,
    side: int,
    random: np.random.Generator,
) -> None:
    """Puts one piece of clothing into an image, tinted, and its class where it covers the ground."""
    grey = torch.from_numpy(clothing[None, None].astype(np.float32))
    scaled = F.interpolate(grey, (side, side), mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy()
    alpha = (scaled / 60).clip(0, 1)[..., None]
    hue = HUES[cls - 1] / 255 * random.uniform(0.9, 1.0, 3)
    window = np.s_[top : top + side, left : left + side]
    picture[window] = (1 - alpha) * picture[window] + alpha * (90 + 0.65 * scaled[..., None]) * hue
    region[window][alpha[..., 0] > 0.5] = cls


def tokenizer() -> Any:
    """CLIP's tokenizer with a list of words that has those of the captions."""
    from transformers import CLIPTokenizer

    letters = sorted({letter for word in WORDS for letter in word})
    known = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = [parts[0] + parts[1]]
            known.append(parts[0])
    numbered = {token: i for i, token in enumerate(dict.fromkeys(known))}
    pairs: Any = [*dict.fromkeys(merges)]
    return CLIPTokenizer(numbered, pairs, unk_token="<|endoftext|>", model_max_length=MAX_TOKENS)


def patch_vae() -> Any:
    """An AutoencoderKL whose encoder is set by hand: the 48 latents of a cell are its 4x4 pixels, to 1e-4.

    Two layers of stride 2 sort pixels into channels. The normalisation before the last layer is made harmless by two
    channels that are large and constant, and by each value's opposite beside it: mean 0, and a variance that no image
    changes. The decoder stays random, because nothing is drawn.
    """
    import diffusers

    large, offset = 1000.0, 20.0  # silu(x + 20) is x + 20
    n_first, n_channels = LATENTS // 4, 2 * LATENTS + 2
    vae = diffusers.AutoencoderKL(
        block_out_channels=(n_first, LATENTS, n_channels),
        norm_num_groups=1,
        latent_channels=LATENTS,
        sample_size=SIDE,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    encoder = vae.encoder
    resnets = [net for block in (*encoder.down_blocks, encoder.mid_block) for net in block.resnets]
    shortcuts = [net.conv_shortcut for net in resnets if net.conv_shortcut is not None]
    halves = [block.downsamplers[0].conv for block in encoder.down_blocks[:2]]
    with torch.no_grad():
        for layer in (encoder.conv_in, encoder.conv_out, *halves, *shortcuts, *(net.conv2 for net in resnets)):
            layer.weight.zero_()
            layer.bias.zero_()
        encoder.conv_in.weight[:3, :, 1, 1] = torch.eye(3)
        for layer, n in zip(halves, (3, n_first), strict=True):
            for place in range(4):
                layer.weight[n * place : n * (place + 1), :n, place // 2, place % 2] = torch.eye(n)
        shortcuts[0].weight[:n_first, :, 0, 0] = torch.eye(n_first)
        shortcuts[1].weight[: 2 * LATENTS, :, 0, 0] = torch.cat([torch.eye(LATENTS), -torch.eye(LATENTS)])
        shortcuts[1].bias[-2:] = torch.tensor([large, -large])
        encoder.conv_norm_out.weight.fill_(large * (2 / n_channels) ** 0.5)
        encoder.conv_norm_out.bias.fill_(offset)
        encoder.conv_out.weight[:LATENTS, :LATENTS, 1, 1] = torch.eye(LATENTS)
        encoder.conv_out.bias[:LATENTS], encoder.conv_out.bias[LATENTS:] = -offset, -30.0
    return vae


def networks(n_tokens: int) -> tuple[Any, Any]:
    """The UNet and the text encoder, with random weights."""
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel

    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // PATCH,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=(48, 64),
        norm_num_groups=8,
        layers_per_block=1,
        cross_attention_dim=64,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=n_tokens,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    return unet, text


def trained(folder: Path, seed: int, n: int, steps: int) -> Path:
    """The pipeline in `folder`; trained on `n` images first unless it is there."""
    import diffusers

    if (folder / "model_index.json").is_file():
        return folder
    torch.manual_seed(seed)
    words, vae = tokenizer(), patch_vae().eval()
    unet, text = networks(len(words))
    data = scenes(n, "train", seed)
    pictures = torch.from_numpy(data.images).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        latents = torch.cat([vae.encode(some).latent_dist.mode() for some in torch.split(pictures, 100)])
    vae.register_to_config(scaling_factor=float(1 / latents.std()))
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear", prediction_type="v_prediction", clip_sample=False, steps_offset=1
    )
    ids = words(data.captions, padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")["input_ids"]
    nothing = words("", padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")["input_ids"]
    _train(unet, text, scheduler, latents * vae.config.scaling_factor, ids, nothing, steps)
    diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text.eval(),
        tokenizer=words,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def _train(
    unet: Any, text: Any, scheduler: Any, latents: torch.Tensor, ids: torch.Tensor, nothing: torch.Tensor, steps: int
) -> None:
    """v is predicted, more often at high levels of noise, where words matter; one caption in ten is left out.

    Source: Salimans & Ho 2022, appendix D.
    """
    optimiser, schedule = _optimiser([*unet.parameters(), *text.parameters()], 2e-3, steps)
    started, losses = time.perf_counter(), []
    for step in range(steps):
        rows = torch.randint(len(latents), (16,))
        said = torch.where(torch.rand(len(rows), 1) < 0.1, nothing, ids[rows])
        noise, times = torch.randn_like(latents[rows]), (1000 * torch.rand(len(rows)).sqrt()).long()
        noisy = scheduler.add_noise(latents[rows], noise, times)
        velocity = scheduler.get_velocity(latents[rows], noise, times)
        loss = F.mse_loss(unet(noisy, times, text(said)[0]).sample, velocity)
        loss.backward()  # type: ignore[no-untyped-call]
        _step(optimiser, schedule)
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            mean = np.mean(losses[-100:])
            print(f"  step {step + 1}: loss {mean:.4f}, {time.perf_counter() - started:.0f} s", flush=True)


def _optimiser(parameters: list[torch.nn.Parameter], rate: float, steps: int) -> tuple[Any, Any]:
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-3)
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.05)


def _step(optimiser: Any, schedule: Any) -> None:
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
    schedule.step()
    optimiser.zero_grad()
