"""How a UNet's convolutions see beyond the border of an image."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from torch import nn

Padding = Literal["zeros", "reflect"]
M = TypeVar("M", bound=nn.Module)


def padded(network: M, padding: Padding) -> M:
    """The network, whose 3x3 convolutions continue images by `padding`; changed in place.

    Zeros, the default of networks, are a place like no other, where noise is estimated worse: images get a frame of two
    rough pixels. Mirrored on, the border is a place like all others.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and any(side != 0 for side in module.padding):
            sides: Any = module.padding
            module.padding_mode = padding
            module._reversed_padding_repeated_twice = [side for side in reversed(sides) for _ in range(2)]
    return network
