"""Attention: what it computes, in which numbers, and what normalised queries and keys are for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from synthgen.models.attention import attend
from synthgen.models.positions import rotations

PLACES = torch.arange(5)[None].expand(2, -1)


def qkv(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(seed))


def test_it_is_float32_within_a_network_in_half_precision() -> None:
    turns, plain = rotations(PLACES, 4), attend(qkv(), 2, rotations(PLACES, 4), None)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(qkv().bfloat16(), 2, turns, None)
    assert found.dtype == torch.float32 and found.shape == (2, 5, 8)
    torch.testing.assert_close(found, plain, atol=0.05, rtol=0.05)


def test_what_may_not_be_seen_changes_nothing() -> None:
    mask = torch.tensor([True, True, True, False, False])[None, None, None]
    changed = qkv()
    changed[:, 3:] += 9
    a, b = (attend(x, 2, rotations(PLACES, 4), mask)[:, :3] for x in (qkv(), changed))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("normed", "same"), [(True, True), (False, False)])
def test_long_queries_and_keys_make_attention_one_hot_unless_they_are_normalised(normed: bool, same: bool) -> None:
    norms = nn.ModuleList(nn.RMSNorm(4) for _ in range(2)) if normed else None
    longer = qkv()
    longer[..., :16] *= 100  # queries and keys
    a, b = (attend(x, 2, rotations(PLACES, 4), None, norms) for x in (qkv(), longer))
    assert torch.allclose(a, b, atol=1e-4) == same
