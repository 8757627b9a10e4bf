"""A small U-Net that finds boxes by the centres of objects: filter models that check whether images fit their boxes.

Source: Zhou et al. 2019, "Objects as points", for the heat maps; Liu et al. 2020, "Training-time-friendly network for
real-time object detection", for the distances to the four sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from torch.nn import functional as F

from synthgen.models.finite import finite
from synthgen.models.images import detections
from synthgen.models.images.unet import UNet

TOP = 1
SIDE_UNIT_PX = 16.0
FIRST_SCORE = 0.1
NMS_IOU = 0.5
MAX_BOXES = 100
LEAST_SCORE = 0.02


class Detector(UNet):
    """Boxes of objects in images of any size; one place of its maps stands for 2 x 2 pixels.

    Args:
        objects: names of the objects' classes, class numbers from 1.
        widths: channels of each level, multiples of 8; every level but the first halves the side.
        min_score: the score that the trainer chose on held-out images as the least that counts.
        measured: what the finished network found in real images: the `split` of the data, numbers of `pictures` and
            of their `boxes`, and `at` each least score how many of those were found, and how many objects without one.
        range: values of images of more than 8 bits that were read as 0 and 255, if there were such.
    """

    @register_to_config
    def __init__(
        self,
        objects: Sequence[str],
        widths: Sequence[int] = (16, 32, 64, 96),
        min_score: float = 0.3,
        measured: Mapping[str, Any] | None = None,
        range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(widths, len(objects) + 4, TOP)
        with torch.no_grad():  # so that rare centres do not drown in early false alarms
            assert self.head.bias is not None
            self.head.bias[: len(objects)].fill_(float(np.log(FIRST_SCORE / (1 - FIRST_SCORE))))

    def forward(self, x_bchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of centres (B, n_objects, H / 2, W / 2), and the boxes there (B, 4, H / 2, W / 2) in pixels.

        H and W are multiples of 2^(levels - 1); pixels as `unet.prepare` makes them.
        """
        out = self.maps(x_bchw).float()
        reach = F.softplus(out[:, -4:]) * SIDE_UNIT_PX
        y, x = ((torch.arange(n, device=out.device) + 0.5) * self.stride_px for n in out.shape[2:])
        left, top, right, bottom = reach.unbind(1)
        boxes = [x - left, y[:, None] - top, x + right, y[:, None] + bottom]
        return out[:, :-4], torch.stack(boxes, dim=1)

    @torch.inference_mode()
    def detect(self, images: np.ndarray, min_score: float | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 5) in each of uint8 images (N, H, W, C), best first, and their scores; as `best_boxes` has them.

        Args:
            min_score: the least score that counts; the network's own by default.
        """
        height, width = images.shape[1:3]
        logits, boxes = self(self.prepared(images))
        heat = finite(logits, "logits of centres").sigmoid()
        peaks = torch.where(F.max_pool2d(heat, 3, stride=1, padding=1) == heat, heat, 0.0).cpu().numpy()
        boxes_bhw4 = boxes.permute(0, 2, 3, 1).cpu().numpy()
        least = self.config.min_score if min_score is None else min_score
        picked = []
        for of_picture, boxes_hw4 in zip(peaks, boxes_bhw4, strict=True):
            chosen = [heat_hw >= max(least, LEAST_SCORE) for heat_hw in of_picture]
            found = [(boxes_hw4[at], heat_hw[at]) for heat_hw, at in zip(of_picture, chosen, strict=True)]
            shape = (height, width)
            picked.append(detections.best_boxes(found, shape, min_score=least, nms_iou=NMS_IOU, max_boxes=MAX_BOXES))
        return picked
