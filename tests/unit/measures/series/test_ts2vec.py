"""TS2Vec's pieces against their definitions, and what a fit guarantees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from synthgen.errors import DataError
from synthgen.measures.series import ts2vec

RNG = np.random.default_rng(0)
X = RNG.random((20, 12, 2), dtype=np.float32)


def tensor(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.normal(0, 0.5, shape).astype(np.float32))


@pytest.mark.parametrize("dilation", [1, 4, 8, 16])
def test_a_wide_convolution_of_a_short_window_is_the_same_convolution(dilation: int) -> None:
    """Taps that would see the padding alone are left out, at the same result."""
    layer, x = ts2vec.DilatedConv(3, 5, dilation), tensor(2, 3, 8)
    whole = F.conv1d(x, layer.weight, layer.bias, padding=dilation, dilation=dilation)
    assert torch.allclose(layer(x), whole, atol=1e-6)


def test_sizes_and_depth() -> None:
    encoder = ts2vec.Encoder(6)
    assert encoder(tensor(3, 24, 6)).shape == (3, 24, 320)
    dilations = [layer.dilation[0] for layer in encoder.modules() if isinstance(layer, ts2vec.DilatedConv)]
    assert dilations == [2**i for i in range(11) for _ in range(2)]


def test_pair_loss_by_its_definition() -> None:
    """-log of exp(z . z') over the sum of exp(z . v) for all v but z, for every vector of both views."""
    a, b = tensor(2, 3, 4), tensor(2, 3, 4)
    losses = []
    for group in range(2):
        both = torch.cat([a[group], b[group]])
        for i in range(6):
            alike = torch.exp(both @ both[i])
            losses.append(-torch.log(alike[(i + 3) % 6] / (alike.sum() - alike[i])))
    assert ts2vec.pair_loss(a, b).item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_one_window_or_one_step_has_nothing_to_be_told_from() -> None:
    assert ts2vec.pair_loss(tensor(5, 1, 4), tensor(5, 1, 4)).item() == 0


def test_the_loss_is_averaged_over_scales() -> None:
    """Four steps have the scales 4, 2 and 1; at the last only windows are contrasted."""
    a, b = tensor(3, 4, 5), tensor(3, 4, 5)
    found = ts2vec.hierarchical_loss(a, b)
    losses = []
    for length in (4, 2, 1):
        x, y = (z.reshape(3, length, -1, 5).amax(2) for z in (a, b))
        between_windows = ts2vec.pair_loss(x.transpose(0, 1), y.transpose(0, 1))
        losses.append(0.5 * between_windows + (0.5 * ts2vec.pair_loss(x, y) if length > 1 else 0))
    assert found.item() == pytest.approx(sum(losses).item() / 3, rel=1e-5)


def test_fits_are_repeatable_and_leave_global_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, c = (ts2vec.encode(ts2vec.fit(X, seed, iterations=3), X) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_the_fit_lowers_the_loss() -> None:
    """Measured with the same crops and masks on the fitted and on the unfitted encoder."""
    means = []
    for iterations in (1, 40):
        encoder = ts2vec.fit(X, 0, iterations)
        rng = np.random.default_rng(1)
        with torch.no_grad():
            means.append(np.mean([ts2vec.contrast(encoder, torch.from_numpy(X[:8]), rng).item() for _ in range(20)]))
    assert means[1] < 0.9 * means[0]


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    encoder = ts2vec.fit(X, 0, iterations=2)
    assert ts2vec.encode(encoder, X).shape == (20, 320)
    assert np.allclose(ts2vec.encode(encoder, X)[7], ts2vec.encode(encoder, X[7:8])[0], atol=1e-5)


@pytest.mark.parametrize("length", [1, 3001])
def test_lengths_that_have_no_score(length: int) -> None:
    with pytest.raises(DataError, match="defined for 2 to 3000"):
        ts2vec.fit(np.zeros((2, length, 1), dtype=np.float32), 0, iterations=1)
