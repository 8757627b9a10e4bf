"""Small models of transformers that see, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.testing import words


def _sam3_vision() -> dict[str, Any]:
    vit = {"model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    vit |= {"num_attention_heads": 2, "image_size": 56, "patch_size": 14, "window_size": 2}
    vit |= {"global_attn_indexes": [1], "pretrain_image_size": 28}
    sizes = [[16, 16], [8, 8], [4, 4]]
    return {"backbone_config": vit, "fpn_hidden_size": 32, "backbone_feature_sizes": sizes}


def _prompted(side: int, patch: int) -> dict[str, Any]:
    """What reads prompts for an image of `side` pixels, and what generates masks."""
    prompt = {"hidden_size": 32, "image_size": side, "patch_size": patch, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return {"prompt_encoder_config": prompt, "mask_decoder_config": decoder}


def sam2(folder: Path) -> None:
    """Segment Anything 2."""
    from transformers import Sam2Config, Sam2Model, Sam2Processor
    from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor

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
    Sam2Model(Sam2Config(vision_config=vision, **_prompted(64, 16))).eval().save_pretrained(folder)
    size = {"height": 64, "width": 64}
    Sam2Processor(Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})).save_pretrained(folder)


def sam3(folder: Path) -> None:
    """Segment Anything 3, which is asked by text."""
    from transformers import Sam3Config, Sam3Model, Sam3Processor
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    tokenizer, n_words = words.clip_tokenizer(32)
    text = {"vocab_size": n_words, "hidden_size": 32, "intermediate_size": 32, "projection_dim": 32}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    block = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    config = Sam3Config(
        vision_config=_sam3_vision(),
        text_config=text,
        geometry_encoder_config={**block, "num_layers": 1},
        detr_encoder_config={**block, "num_layers": 1},
        detr_decoder_config={**block, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    Sam3Model(config).eval().save_pretrained(folder)
    Sam3Processor(Sam3ImageProcessor(size={"height": 56, "width": 56}), tokenizer).save_pretrained(folder)


def clip(folder: Path) -> None:
    """CLIP, which sees images and reads texts."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer, n_words = words.clip_tokenizer()
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text, vision = _two_towers(n_words, **ends)
    width = {"projection_dim": 16}
    config = CLIPConfig(text_config=text | width, vision_config=vision | width, projection_dim=16)
    CLIPModel(config).eval().save_pretrained(folder)
    square = {"height": 32, "width": 32}
    CLIPProcessor(CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=square), tokenizer).save_pretrained(folder)


def siglip(folder: Path) -> None:
    """SigLIP, whose answers to different texts are independent."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    tokenizer, n_words = words.t5_tokenizer()
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    text, vision = _two_towers(n_words, **ends)
    config = SiglipConfig(text_config=text, vision_config=vision)
    SiglipModel(config).eval().save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


def owlv2(folder: Path) -> None:
    """OWLv2, which finds what a text names."""
    import torch
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    tokenizer, n_words = words.owl_tokenizer()
    ends = {"bos_token_id": n_words - 2, "eos_token_id": n_words - 1}
    text, vision = _two_towers(n_words, **ends)
    config = Owlv2Config(text_config=text, vision_config=vision, projection_dim=_LAYERS["hidden_size"])
    model = Owlv2ForObjectDetection(config).eval()
    torch.nn.init.normal_(model.box_head.dense2.weight, std=0.05)  # boxes as large as patches, not as the image
    model.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


def grounding_dino(folder: Path) -> None:
    """Grounding DINO, which looks at images with a phrase in mind."""
    import torch
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, GroundingDinoProcessor
    from transformers.models.grounding_dino.image_processing_grounding_dino import GroundingDinoImageProcessor

    tokenizer, n_words = words.bert_tokenizer()
    swin = {"model_type": "swin", "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 2}
    swin |= {"image_size": 64, "out_indices": [2, 3, 4]}
    bert = {"model_type": "bert", "vocab_size": n_words, "max_position_embeddings": words.LIMIT, **_LAYERS}
    block = {"attention_heads": 4, "ffn_dim": 32, "layers": 2}
    blocks: dict[str, Any] = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in block.items()}
    config = GroundingDinoConfig(backbone_config=swin, text_config=bert, d_model=64, num_queries=12, **blocks)
    model = GroundingDinoForObjectDetection(config).eval()
    last = model.bbox_embed[0].layers[-1]
    torch.nn.init.normal_(last.weight, std=0.1)  # it starts at zero, with boxes on a grid
    torch.nn.init.constant_(last.bias[2:], 1.0)  # boxes start at a 20th of a side: less than a pixel of small images
    model.save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 96}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(folder)


def depth_anything(folder: Path) -> None:
    """Depth Anything, which tells how near every pixel is."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTImageProcessor

    backbone = {**_dinov2(), "out_indices": [1, 2], "reshape_hidden_states": False}
    config = DepthAnythingConfig(
        backbone_config={"model_type": "dinov2", **backbone},
        patch_size=8,
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        initializer_range=0.3,  # at the usual 0.02 every pixel is as near as the next
    )
    DepthAnythingForDepthEstimation(config).eval().save_pretrained(folder)
    size = {"height": 32, "width": 32}
    DPTImageProcessor(size=size, ensure_multiple_of=8, keep_aspect_ratio=True).save_pretrained(folder)


def vit(folder: Path) -> None:
    """A vision transformer that knows two classes of images, `normal` and `nsfw`."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(**_LAYERS, image_size=32, patch_size=8, id2label={0: "normal", 1: "nsfw"})
    ViTForImageClassification(config).eval().save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def dinov2(folder: Path) -> None:
    """DINOv2, which says what an image is like."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    Dinov2Model(Dinov2Config(**_dinov2())).eval().save_pretrained(folder)
    square = {"height": 32, "width": 32}
    BitImageProcessor(size={"shortest_edge": 32}, crop_size=square).save_pretrained(folder)


_LAYERS: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def _two_towers(n_words: int, **ends: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What reads texts of so many words, and what sees images of 32 pixels a side."""
    text = {**_LAYERS, **ends, "vocab_size": n_words, "max_position_embeddings": words.LIMIT}
    return text, {**_LAYERS, "image_size": 32, "patch_size": 8}


def _dinov2() -> dict[str, Any]:
    layers = {name: value for name, value in _LAYERS.items() if name != "intermediate_size"}
    return {**layers, "mlp_ratio": 2, "image_size": 32, "patch_size": 8}


def sam3_tracker(folder: Path) -> None:
    """The part of Segment Anything 3 that takes boxes and points."""
    from transformers import Sam3TrackerConfig, Sam3TrackerModel, Sam3TrackerProcessor
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    vision = {"model_type": "sam3_vision_model", **_sam3_vision()}
    Sam3TrackerModel(Sam3TrackerConfig(vision_config=vision, **_prompted(56, 14))).eval().save_pretrained(folder)
    size = {"height": 56, "width": 56}
    Sam3TrackerProcessor(Sam3ImageProcessor(size=size, mask_size={"height": 16, "width": 16})).save_pretrained(folder)


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "sam2": sam2,
    "sam3": sam3,
    "sam3_tracker": sam3_tracker,
    "clip": clip,
    "siglip": siglip,
    "owlv2": owlv2,
    "grounding-dino": grounding_dino,
    "depth_anything": depth_anything,
    "vit": vit,
    "dinov2": dinov2,
}
