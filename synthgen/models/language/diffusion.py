"""Texts by masked or block diffusion: a thin layer over the pipelines of diffusers, whose interfaces still move.

One prompt goes through a pipeline at a time. `LLaDA2Pipeline` looks at no padding in a batch, both pipelines draw the
random numbers of a batch from one generator, and their stopping is decided for the batch as a whole.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from synthgen import seeds as streams
from synthgen.errors import ModelError
from synthgen.models.finite import finite
from synthgen.models.language.causal import Generated
from synthgen.models.language.families import Family
from synthgen.models.language.reader import Reader, cut
from synthgen.models.language.steps import Steps
from synthgen.models.sampling import torch_generator


class DiffusionGenerator:
    """Generates texts for prompts; each depends on its own prompt and seed alone.

    Args:
        network: a model of the family, in evaluation mode.

    Raises:
        ModelError: the tokenizer lacks a mask token that the pipeline needs, or a scheduler's setting is unknown.
    """

    def __init__(
        self, family: Family, network: Any, reader: Reader, steps: Steps, stop: Sequence[str] = (), name: str = ""
    ) -> None:
        self._reader, self._steps, self._stop = reader, steps, tuple(stop)
        self._masked = family.pipeline == "LLaDA2Pipeline"
        self._mask: int | None = getattr(reader.tokenizer, "mask_token_id", None) if self._masked else None
        if self._masked and self._mask is None:
            raise ModelError(f"{name}: its tokenizer has no mask token, which masked diffusion fills in")
        self._network = _Watched(network, reader.n_tokens, self._mask)
        self._pipeline = self._made(family, _scheduler(steps))
        if self._masked:
            self._room = (steps.n_new, int(self._pipeline.scheduler.config.block_length))
        else:
            canvas = int(network.config.canvas_length)
            self._room = (-(-steps.n_new // canvas) * canvas, 1)

    def _made(self, family: Family, scheduler: Any) -> Any:
        import diffusers

        cls = getattr(diffusers, family.pipeline)
        if self._masked:
            made = cls(model=self._network, scheduler=scheduler, tokenizer=self._reader.tokenizer)
        else:
            made = cls(model=self._network, scheduler=scheduler, processor=_Tokens())
        made.set_progress_bar_config(disable=True)
        return made

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Generated]:
        """A text for each prompt.

        Raises:
            DataError: the model cannot read a prompt.
            NonFiniteError: the model computed NaN or an infinity.
        """
        return [self._one(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    @torch.inference_mode()
    def _one(self, prompt: str, seed: int) -> Generated:
        tokens = self._reader.tokens(prompt, *self._room)
        scores = _MaskedScores(len(tokens)) if self._masked else _CanvasScores(self._steps)
        given = self._given(tokens)
        end = getattr(self._reader.tokenizer, "eos_token_id", None)
        if end not in self._reader.ends:
            end = min(self._reader.ends, default=None)
        out = self._pipeline(
            **given,
            **self._steps.call,
            gen_length=self._steps.n_new,
            num_inference_steps=self._steps.steps,
            eos_token_id=end,
            generator=_generator(seed, self._network.device),
            output_type="seq",
            callback_on_step_end=lambda pipeline, step, place, found: scores.note(place, found, self._network.logits),
            callback_on_step_end_tensor_inputs=list(scores.wanted),
        ).sequences
        drawn, ended = self._reader.until_end(out[0, : self._steps.n_new].tolist())
        text, stopped = cut(self._reader.text(drawn), self._stop)
        return Generated(text, scores.mean(drawn), ended or stopped)

    def _given(self, tokens: Sequence[int]) -> dict[str, Any]:
        ids = torch.tensor([list(tokens)])
        if self._masked:
            return {"input_ids": ids, "mask_token_id": self._mask}
        return {"messages": [{"input_ids": ids}]}


class _Watched(torch.nn.Module):
    """A network that checks its logits, keeps the last ones, and gives tokens without a text no probability."""

    def __init__(self, network: Any, n_tokens: int, mask: int | None) -> None:
        super().__init__()
        self.network, self._n_tokens, self._mask = network, n_tokens, mask
        self.logits: Any = None

    @property
    def config(self) -> Any:
        return self.network.config

    @property
    def model(self) -> Any:
        return self.network.model

    @property
    def device(self) -> torch.device:
        return torch.device(self.network.device)

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = self.network.dtype
        return found

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out = self.network(*args, **kwargs)
        logits = finite(out.logits.float(), "logits of tokens")
        least = torch.finfo(logits.dtype).min  # an infinity would spoil entropies
        logits[..., self._n_tokens :] = least
        if self._mask is not None:
            logits[..., self._mask] = least
        out.logits = self.logits = logits
        return out


class _Tokens:
    """What the pipeline of DiffusionGemma takes for a processor: its messages hold the tokens already."""

    tokenizer = None

    def apply_chat_template(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        return {"input_ids": messages[0]["input_ids"]}


class _MaskedScores:
    """Log-probabilities of tokens, each at the step that filled it in, or changed it last.

    Args:
        n_prompt: tokens before the first that is generated.
    """

    wanted = ("block_x", "transfer_index", "editing_transfer_index", "sampled_tokens")

    def __init__(self, n_prompt: int) -> None:
        self._n_prompt = n_prompt
        self._at: dict[int, float] = {}

    def note(self, step: int, found: Mapping[str, Any], logits: Any) -> dict[str, Any]:
        changed, drawn = found["transfer_index"] | found["editing_transfer_index"], found["sampled_tokens"]
        start = found["block_x"].shape[1] - drawn.shape[1]
        scores = _log_probability(logits[:, start:], drawn)
        for place in changed[0].nonzero()[:, 0].tolist():
            self._at[start + place - self._n_prompt] = float(scores[0, place])
        return {}

    def mean(self, tokens: Sequence[int]) -> float:
        """The mean over the first tokens of the text."""
        found = [self._at[place] for place in range(len(tokens)) if place in self._at]
        return sum(found) / len(found) if found else 0.0


class _CanvasScores:
    """Log-probabilities of the tokens of each canvas at its last step.

    Schedulers that put random tokens where they are not sure yet do so after the last step as well; such a canvas
    ends as the likeliest tokens instead, as in the model's own `generate` (transformers, DiffusionGemma).
    """

    wanted = ("canvas", "logits")

    def __init__(self, steps: Steps) -> None:
        self._last = steps.steps - 1
        self._likeliest = steps.scheduler == "EntropyBoundScheduler"
        self._canvases: list[tuple[Any, ...]] = []

    def note(self, step: int, found: Mapping[str, Any], logits: Any) -> dict[str, Any]:
        logits, canvas = found["logits"], found["canvas"]
        best = logits.argmax(-1)
        if step == self._last and self._likeliest:
            canvas = best
        if step == 0:
            self._canvases.append(())
        scores = [_log_probability(logits, tokens)[0].cpu() for tokens in (canvas, best)]
        self._canvases[-1] = (best[0].cpu(), *scores)
        return {"canvas": canvas}

    def mean(self, tokens: Sequence[int]) -> float:
        """The mean over the first tokens of the text; a canvas holds its last tokens, or the likeliest ones."""
        if not tokens:
            return 0.0
        best, own, highest = (torch.cat(parts) for parts in zip(*self._canvases, strict=True))
        n = len(tokens)
        return float(torch.where(torch.tensor(tokens) == best[:n], highest[:n], own[:n]).double().mean())


def _log_probability(logits: Any, tokens: Any) -> Any:
    return logits.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def _generator(seed: int, device: torch.device) -> torch.Generator:
    """A random stream on the device; on a GPU it has 63 bits of the seed."""
    own = streams.seed_of(seed, "tokens", 0)
    return torch_generator(own) if device.type == "cpu" else torch.Generator(device).manual_seed(own >> 193)


def _scheduler(steps: Steps) -> Any:
    import diffusers

    cls = getattr(diffusers, steps.scheduler)
    known = set(inspect.signature(cls.__init__).parameters)
    if wrong := sorted(set(steps.options) - known):
        raise ModelError(f"a {steps.scheduler} has no setting {', '.join(wrong)}")
    return cls(**steps.options)
