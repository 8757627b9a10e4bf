"""What samplers that generate real images again have in common: the setting `strength`, and what it needs."""

from __future__ import annotations

from typing import Any

from pydantic import Field as Setting

from synthgen.fields import Field, Image
from synthgen.parts.problem import Problem


def strength_for(data: str) -> Any:
    """The setting `strength` for a condition with `data`, such as images; by default nothing is generated again."""
    return Setting(
        default=None,
        gt=0,
        le=1,
        exclude_if=lambda value: value is None,
        description=f"For a condition with {data}: how far each is generated again. 0.3 retouches, 1 keeps nothing.",
    )


def image_problems(image: Field | None, shape: tuple[int, int], model: str, needed: str) -> list[Problem]:
    """What is wrong with a condition's images.

    Args:
        shape: height and width of the images that are generated.
        model: its name, for messages; needed: what the condition must have, with an example.
    """
    if not isinstance(image, Image):
        return [Problem(f"needs a condition with {needed}", ("image",), ("strength",))]
    if (image.height, image.width) != shape:
        text = f"{shape[1]} x {shape[0]}, and the condition's are {image.width} x {image.height}; set its `size`"
        return [Problem(f"model {model}: generates images of {text}", ("image",))]
    return []
