"""Segment Anything as a model folder: the official modules at any size, saved as safetensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.amg import batched_mask_to_box
from segment_anything.utils.transforms import ResizeLongestSide
from torch import nn
from torch.nn import functional as F
from torchvision.ops import batched_nms

from synthgen.models.finite import finite

PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
OFFICIAL: Mapping[str, Mapping[str, Any]] = {
    "vit_b": {"embed_dim": 768, "depth": 12, "num_heads": 12, "global_attn_indexes": (2, 5, 8, 11)},
    "vit_l": {"embed_dim": 1024, "depth": 24, "num_heads": 16, "global_attn_indexes": (5, 11, 17, 23)},
    "vit_h": {"embed_dim": 1280, "depth": 32, "num_heads": 16, "global_attn_indexes": (7, 15, 23, 31)},
}
"""What tells the three official models apart; all else is this class's default. Source: segment_anything.build_sam."""

STABILITY_OFFSET = 1.0
PROMPTS_AT_ONCE = 64


class SegmentAnything(ModelMixin, ConfigMixin):
    """A Sam of any size; `sam` is what SamPredictor and SamAutomaticMaskGenerator take.

    Args:
        image_size: side in pixels that images are scaled to by their longer side.
        patch_size: side of a token in pixels.
        embed_dim, depth, num_heads: of the image encoder.
        global_attn_indexes: encoder blocks that attend over the whole image; the others, over windows.
        window_size: side of those windows in tokens.
        prompt_dim: width of prompts and mask decoder.
        mask_in_chans: width of the encoder of mask prompts.
        decoder_mlp_dim, decoder_heads: of the mask decoder's transformer.
        iou_hidden_dim: of the head that predicts a mask's IoU.
    """

    @register_to_config
    def __init__(
        self,
        image_size: int = 1024,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        global_attn_indexes: Sequence[int] = (2, 5, 8, 11),
        window_size: int = 14,
        prompt_dim: int = 256,
        mask_in_chans: int = 16,
        decoder_mlp_dim: int = 2048,
        decoder_heads: int = 8,
        iou_hidden_dim: int = 256,
    ) -> None:
        super().__init__()
        n_tokens = image_size // patch_size
        self.sam = Sam(
            ImageEncoderViT(
                img_size=image_size,
                patch_size=patch_size,
                embed_dim=embed_dim,
                depth=depth,
                num_heads=num_heads,
                mlp_ratio=4,
                out_chans=prompt_dim,
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                use_rel_pos=True,
                window_size=window_size,
                global_attn_indexes=tuple(global_attn_indexes),
            ),
            PromptEncoder(
                embed_dim=prompt_dim,
                image_embedding_size=(n_tokens, n_tokens),
                input_image_size=(image_size, image_size),
                mask_in_chans=mask_in_chans,
            ),
            MaskDecoder(
                num_multimask_outputs=3,
                transformer=TwoWayTransformer(
                    depth=2, embedding_dim=prompt_dim, mlp_dim=decoder_mlp_dim, num_heads=decoder_heads
                ),
                transformer_dim=prompt_dim,
                iou_head_depth=3,
                iou_head_hidden_dim=iou_hidden_dim,
            ),
            pixel_mean=list(PIXEL_MEAN),
            pixel_std=list(PIXEL_STD),
        )
        self.sam.mask_decoder.register_forward_hook(
            _check_masks
        )  # for all that is generated from prompts, grids included

    @torch.inference_mode()
    def predictors(self, images: Sequence[np.ndarray]) -> list[SamPredictor]:
        """One SamPredictor an image, uint8 (H, W, 3) of one size, all encoded in one batch."""
        resize = ResizeLongestSide(self.config.image_size)
        inputs = [torch.as_tensor(resize.apply_image(image)).permute(2, 0, 1) for image in images]
        size = tuple(inputs[0].shape[-2:])
        batch = torch.stack([self.sam.preprocess(x.to(self.device)) for x in inputs])
        made = []
        for image, features in zip(images, self.sam.image_encoder(batch), strict=True):
            predictor = SamPredictor(self.sam)
            predictor.original_size, predictor.input_size = image.shape[:2], size
            predictor.features, predictor.is_image_set = features[None], True
            made.append(predictor)
        return made

    @torch.inference_mode()
    def masks(
        self, predictor: SamPredictor, boxes: np.ndarray | None, points: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One mask a prompt.

        Args:
            boxes: float (N, 4), left, top, right, bottom in pixels of the image.
            points: float (N, 2), x and y in pixels of the image; one positive point a prompt.

        Returns:
            bool (N, H, W), predicted IoU (N,), and stability (N,): the IoU of the masks at logits
            above 1 and above -1 (the constant of the official mask generator).
        """
        n = len(boxes) if boxes is not None else len(points) if points is not None else 0
        height, width = predictor.original_size
        parts = [(np.zeros((0, height, width), dtype=bool), np.zeros(0), np.zeros(0))]
        for start in range(0, n, PROMPTS_AT_ONCE):
            some = slice(start, start + PROMPTS_AT_ONCE)
            given = (None if prompts is None else prompts[some] for prompts in (boxes, points))
            parts.append(self._masks(predictor, *given))
        masks, ious, stabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return masks, ious, stabilities

    def _masks(
        self, predictor: SamPredictor, boxes: np.ndarray | None, points: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = predictor.original_size
        boxes_t = coords = labels = None
        if boxes is not None:
            boxes_t = predictor.transform.apply_boxes_torch(torch.as_tensor(boxes, dtype=torch.float32), shape)
            boxes_t = boxes_t.to(self.device)
        if points is not None:
            coords = predictor.transform.apply_coords_torch(torch.as_tensor(points, dtype=torch.float32), shape)
            coords = coords[:, None].to(self.device)
            labels = torch.ones(len(points), 1, dtype=torch.int64, device=self.device)
        several = boxes is None  # a box says what is meant, a point may mean a part or the whole
        logits, ious, _ = predictor.predict_torch(coords, labels, boxes_t, None, several, return_logits=True)
        best = ious.argmax(1)
        rows = torch.arange(len(best), device=self.device)
        logits, ious = logits[rows, best], ious[rows, best]
        inner = (logits > STABILITY_OFFSET).sum((1, 2))
        outer = (logits > -STABILITY_OFFSET).sum((1, 2)).clamp_min(1)
        masks = (logits > self.sam.mask_threshold).cpu().numpy()
        return masks, ious.float().cpu().numpy(), (inner / outer).float().cpu().numpy()


def _check_masks(decoder: nn.Module, given: Any, out: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Raises NonFiniteError if the masks or qualities that the decoder returned are no numbers."""
    for values, what in zip(out, ("mask logits", "predicted IoUs"), strict=True):
        finite(values, what)


def stretched(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, C) with its darkest value at 0 and its brightest (99.8 %) at 255, as uint8 (H, W, 3)."""
    x = image.astype(np.float32)
    low, high = x.min(), np.quantile(x, 0.998)
    x = ((x - low) / max(float(high - low), 1.0)).clip(0, 1) * 255
    picture = np.round(x).astype(np.uint8)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def automatic(
    model: SegmentAnything, image: np.ndarray, points_per_side: int, min_iou: float, min_stability: float, nms: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All objects that the official mask generator finds on a grid of points in one image, uint8 (H, W, 3).

    Returns what `SegmentAnything.masks` does.
    """
    generator = SamAutomaticMaskGenerator(
        model.sam,
        points_per_side=points_per_side,
        points_per_batch=PROMPTS_AT_ONCE,
        pred_iou_thresh=min_iou,
        stability_score_thresh=min_stability,
        stability_score_offset=STABILITY_OFFSET,
        box_nms_thresh=nms,
    )
    found = generator.generate(image)
    masks = [entry["segmentation"] for entry in found]
    return (
        np.stack(masks) if masks else np.zeros((0, *image.shape[:2]), dtype=bool),
        np.array([entry["predicted_iou"] for entry in found]),
        np.array([entry["stability_score"] for entry in found]),
    )


def non_maximum(masks: np.ndarray, quality: np.ndarray, iou: float) -> np.ndarray:
    """Rows of masks, bool (N, H, W), that remain when boxes which overlap a better one by more than `iou` are left out.

    Best first.
    """
    if not len(masks):
        return np.zeros(0, dtype=np.int64)
    boxes = batched_mask_to_box(torch.as_tensor(masks)).float()
    kept = batched_nms(boxes, torch.as_tensor(quality, dtype=torch.float32), torch.zeros(len(boxes)), iou)
    return kept.numpy()


def prompt_masks(sam: Sam, embedding: torch.Tensor, points: Any, boxes: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """All four masks of each prompt, for training: logits (N, 4, S, S) at the model's input size, and IoUs (N, 4).

    Args:
        embedding: of one image, (1, D, h, w).
        points: coordinates (N, 1, 2) with labels (N, 1), or None; boxes: (N, 4), or None; in input pixels.
    """
    sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=None)
    low, ious = sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense)
    side = sam.image_encoder.img_size
    return F.interpolate(low, (side, side), mode="bilinear", align_corners=False), ious
