"""How masks are taken away: some tokens a step, the surest first or any, each drawn once."""

from __future__ import annotations

import sys

import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config

SAVED_AS = "synthgen.models.text_scheduler"
"""This module's name in saved models; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]

APART = 1e6
"""Between ranks of tokens of one segment and of the next: more than logarithms of probabilities and noise differ."""


class MaskScheduler(SchedulerMixin, ConfigMixin):
    """Draws a token for every mask, and keeps as many of them as the step asks for.

    All of a record's masks are taken away in equal parts. Which go first depends on how probable the drawn token is,
    and on chance: that of Gumbel noise which `order_noise` scales and which fades from step to step.

    Args:
        temperature: divides logits before tokens are drawn; less makes likely ones likelier.
        order_noise: 0 takes the surest token first, much takes them in random order, as the model was trained.
        in_order: the masks of a segment are taken away before those of the next one.

    Source: Sahoo et al. 2024, eq. 6 (each token is drawn once); Chang et al. 2022 (MaskGIT, appendix B: the surest
    first, with noise that fades).
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(self, temperature: float = 1.0, order_noise: float = 0.5, in_order: bool = True) -> None:
        self.timesteps = torch.arange(0)

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        self.timesteps = torch.arange(num_inference_steps, device=device)

    def places(
        self, step: int, masked: torch.Tensor, segments: torch.Tensor, n_free: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Whose logits a step needs, bool (B, L): all masks, or those of the segments that it reaches; and how many of
        them it takes away, (B,).

        Args:
            masked: bool (B, L); segments: number of each token's segment, (B, L).
            n_free: how many masks there were before the first step, (B,).
        """
        wanted = masked.sum(1) - (n_free.double() * self._left(step)).floor().long()
        if not self.config.in_order:
            return masked, wanted
        n = torch.zeros((len(masked), int(segments.max()) + 1), dtype=torch.int64, device=masked.device)
        n.scatter_add_(1, segments, masked.long())
        reached = n.cumsum(1) - n < wanted[:, None]
        return masked & reached.gather(1, segments), wanted

    def step(
        self,
        logits: torch.Tensor,
        step: int,
        places: torch.Tensor,
        wanted: torch.Tensor,
        segments: torch.Tensor,
        chance: torch.Tensor,
        order: torch.Tensor,
        temperature: float | None = None,
        order_noise: float | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens (N,) that were drawn for N places, and where they take a mask's place, bool (B, L).

        Args:
            logits: (N, V) of the places in their order, -inf for tokens that may not stand there.
            places, wanted: of `places`, bool (B, L) with N of them, and (B,); segments: as there.
            chance: uniform numbers (B, L) that choose tokens; order: others, that choose which go first.
        """
        temperature = float(self.config.temperature) if temperature is None else temperature
        order_noise = float(self.config.order_noise) if order_noise is None else order_noise
        shares = (logits.float() / max(temperature, 1e-4)).softmax(-1)
        sums = shares.cumsum(-1)
        tokens = torch.searchsorted(sums, chance[places][:, None] * sums[:, -1:], right=True)[:, 0]
        tokens = tokens.clamp_max(logits.shape[-1] - 1)
        chosen = shares.gather(-1, tokens[:, None])[:, 0].clamp_min(1e-30).log()
        gumbel = -(-order[places].clamp(1e-7, 1 - 1e-7).log()).log()
        sure = (chosen + order_noise * self._left(step) * gumbel).double()
        if self.config.in_order:
            sure = sure - APART * segments[places]
        rank = torch.full(places.shape, -torch.inf, dtype=torch.float64, device=places.device)
        rank[places] = sure
        nth = rank.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return tokens, places & (nth < wanted[:, None])

    def _left(self, step: int) -> float:
        """Share of the masks that are left after a step."""
        return 1 - (step + 1) / len(self.timesteps)
