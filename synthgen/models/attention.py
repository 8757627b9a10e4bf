"""Attention of transformers over time and over texts, whose heads know places by the rotary embedding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from synthgen.models.positions import rotate


def attend(
    qkv: torch.Tensor,
    n_heads: int,
    turns: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    norms: nn.ModuleList | None = None,
) -> torch.Tensor:
    """What each place takes from all places, (B, L, D), by queries, keys and values (B, L, 3 D).

    Float32 on CPUs also where the network around it is bf16: there the gradient of attention in bf16 was measured to
    take 1.3 to 8 times as long as in float32 (1,024 and 18 places).

    Args:
        turns: angles of the places, of `rotations`.
        mask: which places may be seen, bool, broadcast to (B, heads, L, L); None for all.
        norms: of the queries and of the keys of each head; none by default.
    """
    b, n, width = qkv.shape
    kind = qkv.device.type
    q, k, v = qkv.view(b, n, 3, n_heads, -1).permute(2, 0, 3, 1, 4)
    with torch.autocast(kind, enabled=kind != "cpu" and torch.is_autocast_enabled(kind)):
        if kind == "cpu":
            q, k, v = q.float(), k.float(), v.float()
        if norms:
            q, k = (norm(x) for norm, x in zip(norms, (q, k), strict=True))
        out = F.scaled_dot_product_attention(rotate(q, turns), rotate(k, turns), v, attn_mask=mask)
    return out.transpose(1, 2).reshape(b, n, width // 3)
