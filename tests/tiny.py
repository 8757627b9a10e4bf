"""Small real models with random weights, and small pictures with masks: what parts need to run in a test."""

from __future__ import annotations

import atexit
import csv
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from synthgen.fields import Boxes, Columns, InstanceMap, Label, Schema, SegmentationMap, Text
from synthgen.fields import Image as ImageField

SIDE = 32
STYLES = ("grey", "colour")
OBJECTS = ("cell",)


@cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="synthgen-tiny-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def discs(n: int, side: int, seed: int) -> np.ndarray:
    """Up to `n` discs that do not overlap, numbered, uint16 (side, side)."""
    random = np.random.default_rng(seed)
    instances = np.zeros((side, side), dtype=np.uint16)
    y, x = np.mgrid[:side, :side]
    for number in range(1, n + 1):
        radius = random.uniform(3, side / 7)
        cy, cx = random.uniform(radius, side - radius, 2)
        disc = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        if not instances[disc].any():
            instances[disc] = number
    numbers = np.unique(instances)
    return np.searchsorted(numbers, instances).astype(np.uint16)


def picture(instances: np.ndarray, colour: bool, seed: int) -> np.ndarray:
    """Bright objects on a dark ground, or dark ones on pink, with noise; uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    inside = (instances > 0)[..., None]
    pair = (np.array([110, 80, 160]), np.array([230, 190, 220])) if colour else (np.full(3, 180), np.full(3, 15))
    noise = random.normal(0, 6, instances.shape)[..., None]
    return (np.where(inside, *pair) + noise).clip(0, 255).astype(np.uint8)


@cache
def masks(n: int = 16, side: int = 48) -> str:
    """A folder of pictures with instance masks, a table of their styles, and their boxes as a COCO file."""
    root = folder() / f"masks-{n}-{side}"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    coco: dict = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "cell"}]}
    with open(root / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "split", "style"])
        for i in range(n):
            instances = discs(5, side, i)
            Image.fromarray(picture(instances, i % 4 == 3, i)).save(root / "images" / f"p{i:02d}.png")
            Image.fromarray(instances).save(root / "masks" / f"p{i:02d}.png")
            split = "test" if i >= n - 4 else "train"
            table.writerow([f"p{i:02d}", split, STYLES[i % 4 == 3]])
            coco["images"].append({"id": i, "file_name": f"p{i:02d}.png", "split": split})
            for number in range(1, int(instances.max()) + 1):
                y, x = np.nonzero(instances == number)
                box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
                entry = {"id": len(coco["annotations"]) + 1, "image_id": i, "category_id": 7, "bbox": box}
                coco["annotations"].append(entry)
    (root / "boxes.json").write_text(json.dumps(coco))
    return str(root)


def mask_data(**more: object) -> dict:
    """Settings of `data` for the folder above."""
    table = {"table": "table.csv", "label": "style", "classes": {name: name for name in STYLES}}
    return {"path": masks(), "objects": list(OBJECTS), "validation": 0.2, **table, **more}


def _save(model: object, name: str) -> str:
    place = folder() / name
    model.save_pretrained(place)  # type: ignore[attr-defined]
    (place / "README.md").write_text("---\nlicense: cc0-1.0\ndatasets: [discs]\n---\n# tiny\n")
    return str(place)


@cache
def layout_to_image(objects: tuple[str, ...] = OBJECTS, styles: tuple[str, ...] = STYLES) -> str:
    import torch

    from synthgen.models.layout_to_image import LayoutToImagePipeline
    from synthgen.models.losses import Edm
    from synthgen.training.diffusion import NetworkConfig, unet

    torch.manual_seed(0)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), SIDE, 3, len(objects), len(styles))
    torch.nn.init.normal_(network.conv_out.weight, std=0.3)
    made = LayoutToImagePipeline(network.eval(), Edm(0.5).scheduler(), 2, 0.5, objects, dict(enumerate(styles)))
    return _save(made, f"layout-to-image-{len(objects)}-{len(styles)}")


def one_style() -> str:
    return layout_to_image(styles=("any",))


@cache
def layouts() -> str:
    import torch

    from synthgen.models.layout_pipeline import LayoutPipeline
    from synthgen.models.losses import Edm
    from synthgen.training.diffusion import NetworkConfig, unet

    torch.manual_seed(1)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), SIDE // 2, 1, 0, len(STYLES) + 1)
    made = LayoutPipeline(network.eval(), Edm(0.5).scheduler(), 2, dict(enumerate(STYLES)), OBJECTS, 0.5, smooth=0.0)
    return _save(made, "layouts")


@cache
def segmenter() -> str:
    import torch

    from synthgen.models.segmenter import Segmenter

    torch.manual_seed(2)
    return _save(Segmenter(list(OBJECTS), [8, 16], [0.1, 0.2]), "segmenter")


@cache
def segment_anything() -> str:
    import torch

    from synthgen.models.segment_anything import SegmentAnything

    torch.manual_seed(3)
    shape = {"image_size": 64, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    decoder = {"prompt_dim": 32, "mask_in_chans": 4, "decoder_mlp_dim": 32, "decoder_heads": 2, "iou_hidden_dim": 16}
    return _save(SegmentAnything(**shape, global_attn_indexes=[1], window_size=4, **decoder), "segment-anything")


@cache
def sam2() -> str:
    import torch
    from transformers import Sam2Config, Sam2Model, Sam2Processor
    from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor

    torch.manual_seed(4)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 2, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 2, 4],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [2],
        "window_positional_embedding_background_size": [2, 2],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    place = _save(Sam2Model(config).eval(), "sam2")
    size = {"height": 64, "width": 64}
    Sam2Processor(Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})).save_pretrained(place)
    return place


@cache
def sam3() -> str:
    import torch
    from transformers import Sam3Config, Sam3Model, Sam3Processor
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    torch.manual_seed(5)
    tokenizer, n_words = letters(32)
    vit = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 28,
    }
    sizes = [[16, 16], [8, 8], [4, 4]]
    text = {"vocab_size": n_words, "hidden_size": 32, "intermediate_size": 32, "projection_dim": 32}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    block = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    config = Sam3Config(
        vision_config={"backbone_config": vit, "fpn_hidden_size": 32, "backbone_feature_sizes": sizes},
        text_config=text,
        geometry_encoder_config={**block, "num_layers": 1},
        detr_encoder_config={**block, "num_layers": 1},
        detr_decoder_config={**block, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    place = _save(Sam3Model(config).eval(), "sam3")
    Sam3Processor(Sam3ImageProcessor(size={"height": 56, "width": 56}), tokenizer).save_pretrained(place)
    return place


def letters(limit: int) -> tuple[object, int]:
    """A tokenizer that reads up to `limit` letters, and how many words it knows."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"{word}</w>" for word in words[2:]]
    numbered = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(numbered, [], unk_token="<|endoftext|>", model_max_length=limit), len(words)


@cache
def stable_diffusion() -> str:
    import torch
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(6)
    tokenizer, n_words = letters(24)
    shape = {"hidden_size": 16, "intermediate_size": 32, "projection_dim": 16, "num_hidden_layers": 1}
    text = CLIPTextConfig(
        **shape,
        vocab_size=n_words,
        num_attention_heads=2,
        max_position_embeddings=24,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=16,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
    )
    made = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=EulerAncestralDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _save(made, "stable-diffusion")


def prompts(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that says what to draw in words."""
    return {"prompt": Text()}, {"prompt": [("a cat", "a dog")[i % 2] for i in range(n)]}


def layout_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that brings layouts."""
    instances = [discs(4, SIDE, seed) for seed in range(n)]
    schema = {
        "label": Label(STYLES),
        "instances": InstanceMap(SIDE, SIDE),
        "segmentation": SegmentationMap(SIDE, SIDE, OBJECTS),
    }
    segmentation = [(found > 0).astype(np.uint8) for found in instances]
    return schema, {"label": [i % 2 for i in range(n)], "instances": instances, "segmentation": segmentation}


def style_condition(n: int) -> tuple[Schema, Columns]:
    return {"label": Label(STYLES)}, {"label": [i % 2 for i in range(n)]}


def box_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that asks for boxes."""
    random = np.random.default_rng(0)
    corners = [random.uniform(0, 20, (3, 2)) for _ in range(n)]
    boxes = [np.concatenate([c, c + 8, np.ones((3, 1))], axis=1).astype(np.float32) for c in corners]
    return {"boxes": Boxes(SIDE, SIDE, OBJECTS)}, {"boxes": boxes}


def pictures(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers and scorers see them: pictures with maps by construction."""
    schema, columns = layout_condition(n)
    images = [picture(found, i % 2 == 1, i) for i, found in enumerate(columns["instances"])]
    shifted = [np.roll(found, 2, axis=1) for found in columns["instances"]]
    fields = {"image": ImageField(SIDE, SIDE, 3), "found_instances": InstanceMap(SIDE, SIDE)}
    return {**schema, **fields}, {**columns, "image": images, "found_instances": shifted}
