"""Sizes in recipes: a side, or width and height."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from synthgen.base.sizes import Size, shape_of, size_of


def test_recipes_name_width_first_and_arrays_height() -> None:
    assert shape_of(96) == (96, 96)
    assert shape_of((128, 96)) == (96, 128)


@pytest.mark.parametrize("size", [96, (128, 96)])
def test_shapes_go_back_to_sizes(size: int | tuple[int, int]) -> None:
    assert size_of(shape_of(size)) == size


@pytest.mark.parametrize("size", [7, 8193, [96], [96, 4], [96, 96, 3], "large"])
def test_odd_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Size).validate_python(size)
    assert TypeAdapter(Size).validate_python([128, 96]) == (128, 96)
