"""Context-FID: the Frechet distance of windows in the features of a TS2Vec fitted to the real ones."""

from __future__ import annotations

import numpy as np

from synthgen.measures import features
from synthgen.measures.series import ts2vec
from synthgen.measures.series.windows import check


def context_fid(
    real: np.ndarray, synthetic: np.ndarray, seed: int, iterations: int | None = None, device: str = "cpu"
) -> float:
    """Squared Frechet distance of Gaussians fitted to the features of both sets; 0 is best.

    The features have 320 dimensions, so the score of equal distributions is above 0 and grows as
    windows get fewer: compare scores of equal numbers of windows only.

    Args:
        real: float32, (N, L, C), scaled by the caller; the encoder is fitted to them, again for every seed.
        synthetic: the same for (M, L, C).
        seed: of the encoder's first weights, batches, crops and masks.
        iterations: of the fit; None is the published number, which depends on the array's size.

    Raises:
        DataError: the windows cannot be compared, or have more than 3,000 steps.

    Source: Jeha et al. 2022, "PSA-GAN", section 4.1; the code of Diffusion-TS (`Utils/context_fid.py`).
    """
    check(real, synthetic)
    encoder = ts2vec.fit(real, seed, iterations, device)
    return features.frechet_distance(ts2vec.encode(encoder, real), ts2vec.encode(encoder, synthetic))
