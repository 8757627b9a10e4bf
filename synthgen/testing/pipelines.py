"""Small text-to-image pipelines of diffusers with random weights, 16 pixels a side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.testing import words

WIDTH = 16


def stable_diffusion(folder: Path, limit: int = words.LIMIT) -> None:
    """Stable Diffusion: a UNet that attends to CLIP's words. `limit` is how many letters a prompt may have."""
    import diffusers

    tokenizer, n_words = words.clip_tokenizer(limit)
    diffusers.StableDiffusionPipeline(
        vae=_vae(latents=4),
        text_encoder=_clip(n_words, limit),
        tokenizer=tokenizer,
        unet=_unet(cross_attention_dim=WIDTH).eval(),
        scheduler=diffusers.EulerAncestralDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def stable_diffusion_xl(folder: Path) -> None:
    """Stable Diffusion XL: two text encoders, and a UNet conditioned on the image's size."""
    import diffusers

    tokenizer, n_words = words.clip_tokenizer()
    times = 8
    diffusers.StableDiffusionXLPipeline(
        vae=_vae(latents=4),
        text_encoder=_clip(n_words),
        text_encoder_2=_clip(n_words, projection=True),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(cross_attention_dim=2 * WIDTH, **_xl(times)).eval(),
        scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
    ).save_pretrained(folder)


def stable_diffusion_3(folder: Path) -> None:
    """Stable Diffusion 3: a transformer over patches and words, two CLIPs and T5."""
    import diffusers

    tokenizer, n_words = words.clip_tokenizer()
    t5, t5_words = _t5()
    diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=2 * WIDTH,
            pooled_projection_dim=2 * WIDTH,
            out_channels=4,
            pos_embed_max_size=96,
        ).eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(latents=4, shift_factor=0.06),
        text_encoder=_clip(n_words, projection=True),
        tokenizer=tokenizer,
        text_encoder_2=_clip(n_words, projection=True),
        tokenizer_2=tokenizer,
        text_encoder_3=t5,
        tokenizer_3=t5_words,
    ).save_pretrained(folder)


def flux(folder: Path) -> None:
    """FLUX.1: a transformer whose guidance is an input of the network, CLIP and T5."""
    import diffusers

    clip_words, n_clip = words.clip_tokenizer()
    t5, t5_words = _t5()
    diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(latents=1, shift_factor=0.06),
        text_encoder=_clip(n_clip),
        tokenizer=clip_words,
        text_encoder_2=t5,
        tokenizer_2=t5_words,
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ).eval(),
    ).save_pretrained(folder)


def qwen_image(folder: Path) -> None:
    """Qwen-Image: a transformer that reads the hidden states of a vision-language model."""
    import diffusers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer, n_words = words.qwen_tokenizer()
    block = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2}
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default", "rope_theta": 1e6}
    text = {**block, "num_key_value_heads": 2, "vocab_size": n_words, "rope_scaling": rope, "rope_parameters": rope}
    vision = {"depth": 1, "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_heads": 2, "out_hidden_size": WIDTH}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    diffusers.QwenImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ).eval(),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=tokenizer,
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(8, 4, 4),
        ).eval(),
    ).save_pretrained(folder)


def z_image(folder: Path) -> None:
    """Z-Image: a transformer over patches and words in one stream."""
    import diffusers
    from transformers import Qwen3Config, Qwen3Model

    tokenizer, n_words = words.qwen_tokenizer()
    text = Qwen3Config(
        vocab_size=n_words,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(latents=16, shift_factor=0.1),
        text_encoder=Qwen3Model(text).eval(),
        tokenizer=tokenizer,
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 64, 64],
        ).eval(),
    ).save_pretrained(folder)


def controlnet(folder: Path) -> None:
    """A ControlNet for the small Stable Diffusion."""
    _controlnet(cross_attention_dim=WIDTH).save_pretrained(folder)


def controlnet_xl(folder: Path) -> None:
    """A ControlNet for the small Stable Diffusion XL."""
    _controlnet(cross_attention_dim=2 * WIDTH, **_xl(8)).save_pretrained(folder)


def _clip(n_words: int, limit: int = words.LIMIT, projection: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=n_words,
        hidden_size=WIDTH,
        intermediate_size=32,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=limit,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def _t5() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel

    tokenizer, n_words = words.t5_tokenizer()
    config = T5Config(vocab_size=n_words, d_model=2 * WIDTH, d_ff=37, d_kv=8, num_layers=1, num_heads=4)
    return T5EncoderModel(config).eval(), tokenizer


def _vae(latents: int, **more: Any) -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=16,
        latent_channels=latents,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        **more,
    ).eval()


def _xl(times: int) -> dict[str, Any]:
    """Other inputs of a UNet of Stable Diffusion XL: pooled words and six numbers."""
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": times,
        "projection_class_embeddings_input_dim": 6 * times + WIDTH,
        "use_linear_projection": True,
    }


_LEVELS: Mapping[str, Any] = {
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
}
"""What a UNet and the ControlNet for it have in common."""


def _unet(**more: Any) -> Any:
    import diffusers

    up_blocks = ("UpBlock2D", "CrossAttnUpBlock2D")
    return diffusers.UNet2DConditionModel(sample_size=8, up_block_types=up_blocks, **_LEVELS, **more)


def _controlnet(**more: Any) -> Any:
    import diffusers
    import torch

    made = diffusers.ControlNetModel(conditioning_embedding_out_channels=(8, 16), **_LEVELS, **more)
    for layer in (*made.controlnet_down_blocks, made.controlnet_mid_block, made.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(layer.weight, std=0.3)  # they start at zero, and then a control changes nothing
    return made.eval()


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusionXLPipeline": stable_diffusion_xl,
    "StableDiffusion3Pipeline": stable_diffusion_3,
    "FluxPipeline": flux,
    "QwenImagePipeline": qwen_image,
    "ZImagePipeline": z_image,
    "StableDiffusionControlNet": controlnet,
    "StableDiffusionXLControlNet": controlnet_xl,
}
