"""Small images of nothing in particular, for trying out trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

N, SIDE = 8, 24
README = "---\nlicense: cc0-1.0\n---\n# Discs\n\nBright discs on dark grounds, for trying out trainers.\n"


def discs(folder: Path) -> None:
    """Eight images of one bright disc each, PNG, 24 x 24."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(N):
        cy, cx = random.uniform(8, 16, 2)
        inside = ((y - cy) ** 2 + (x - cx) ** 2 <= random.uniform(4, 8) ** 2)[..., None]
        pixels = np.where(inside, random.integers(160, 255, 3), random.integers(0, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"disc-{i}.png")
    (folder / "README.md").write_text(README, encoding="utf-8")


MAKERS: Mapping[str, Callable[[Path], None]] = {"pictures": discs}
