"""Measures in a network's feature space: Frechet distance, coverage, nearest neighbours."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

RIDGE = 1e-6


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features, each (N, D).

    Where the covariances are so nearly singular that the root of their product cannot be taken, `RIDGE` is
    added to all variances. It is FID only in Inception's features; in any other network's it must be named
    after that network.

    Source: Heusel et al. 2017, eq. 6 (as FID).
    """
    mean_a, mean_b = a.mean(0), b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", linalg.LinAlgWarning)  # of singular covariances
        root = linalg.sqrtm(cov_a @ cov_b)
        if not np.isfinite(root).all():
            ridge = RIDGE * np.eye(len(cov_a))
            root = linalg.sqrtm((cov_a + ridge) @ (cov_b + ridge))
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root.real))


def coverage(real: np.ndarray, synthetic: np.ndarray, k: int = 5) -> float:
    """Share of real samples with a synthetic one inside their k-nearest-neighbour ball, 0 to 1.

    Features (N, D) and (M, D). Rejection that keeps only easy samples lowers it. Compare with
    the coverage of as many held-out real samples.

    Source: Naeem et al. 2020, "Reliable fidelity and diversity metrics", eq. 4.
    """
    radius = NearestNeighbors(n_neighbors=k + 1).fit(real).kneighbors(real)[0][:, k]
    nearest = NearestNeighbors(n_neighbors=1).fit(synthetic).kneighbors(real)[0][:, 0]
    return float((nearest <= radius).mean())


def manifold(real: np.ndarray, synthetic: np.ndarray, k: int = 5) -> dict[str, float]:
    """Precision, recall and coverage, 0 to 1, and density, about 1 for real samples, of `synthetic` (M, D).

    Precision is the share of synthetic samples inside the k-nearest-neighbour ball of any real one, recall that of
    real samples inside such a ball of a synthetic one; density counts in how many real balls a synthetic sample is,
    over k. Both sets need more than `k` rows. Compare with real samples in the place of synthetic ones.

    Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric", eq. 1; Naeem et al. 2020, eq. 3.
    """
    apart = cdist(synthetic, real)
    balls = [NearestNeighbors(n_neighbors=k + 1).fit(rows).kneighbors(rows)[0][:, k] for rows in (real, synthetic)]
    in_real, in_synthetic = apart <= balls[0][None, :], apart <= balls[1][:, None]
    return {
        "precision": float(in_real.any(1).mean()),
        "recall": float(in_synthetic.any(0).mean()),
        "density": float(in_real.sum(1).mean() / k),
        "coverage": coverage(real, synthetic, k),
    }


def nearest_distances(of: np.ndarray, to: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every row of `of` (N, D) to its nearest row of `to` (M, D), and that row's number."""
    distances, ids = NearestNeighbors(n_neighbors=1).fit(to).kneighbors(of)
    return distances[:, 0], ids[:, 0]
