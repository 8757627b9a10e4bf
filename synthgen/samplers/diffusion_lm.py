"""`use: diffusion-lm`: texts that a language model of masked or block diffusion writes for prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from synthgen import testing
from synthgen.errors import ModelError
from synthgen.models import folders, hub
from synthgen.models.language import families
from synthgen.models.language.families import Family
from synthgen.samplers.language import Generator, LanguageSampler, LanguageSettings, small

Temperature = Annotated[float, Field(ge=0, le=4)]
ENTROPY, REFINEMENT = "EntropyBoundScheduler", "BlockRefinementScheduler"


class DiffusionLM(LanguageSampler):
    """Generates `text`, `messages` or the fields of a JSON object from the condition's prompt, many tokens at once.

    DiffusionGemma is run by diffusers' `DiffusionGemmaPipeline`, masked models by its `LLaDA2Pipeline`.

    `log_likelihood` is the mean natural logarithm of the probabilities of the tokens at temperature 1: of masked
    models at the step that filled them in or changed them last, of DiffusionGemma at the last step of their block.
    `finished` is 1 if the model, or a text of `stop`, ended the text, and 0 if `max_new_tokens` did. With
    `parse: json`, `valid` is 1 if all fields were in the object, and 0 if they are empty.
    """

    version: ClassVar[int] = 1

    class Config(LanguageSettings):
        """Settings of `use: diffusion-lm`."""

        steps: int = Field(default=32, gt=0, le=1000, description="Steps for each block, at most.")
        scheduler: Literal["EntropyBoundScheduler", "BlockRefinementScheduler", "DiscreteDDIMScheduler"] | None = Field(
            default=None,
            description="A scheduler of diffusers; by default EntropyBoundScheduler for DiffusionGemma. Masked models "
            "have BlockRefinementScheduler alone.",
        )
        temperature: Temperature | tuple[Temperature, Temperature] | None = Field(
            default=None,
            description="Less makes likely tokens likelier, 0 takes the likeliest; by default 1. EntropyBoundScheduler "
            "takes two, for the first step and the last, by default [0.8, 0.4].",
        )
        entropy_bound: float | None = Field(
            default=None,
            gt=0,
            description="EntropyBoundScheduler: entropy of the tokens accepted at a step, in nats.",
        )
        threshold: float | None = Field(
            default=None,
            ge=0,
            le=1,
            description="BlockRefinementScheduler: tokens with this probability are kept at once; by default as "
            "diffusers has it.",
        )
        block_length: int | None = Field(
            default=None, ge=1, description="Masked models: tokens of a block; by default 32. Others have their own."
        )
        editing_threshold: float | None = Field(
            default=None,
            gt=0,
            le=1,
            description="Masked models: tokens that are there are replaced by others with this probability; by default "
            "they stay.",
        )
        top_k: int | None = Field(
            default=None, ge=1, description="Masked models: only so many of the likeliest tokens are drawn."
        )
        top_p: float | None = Field(
            default=None,
            gt=0,
            le=1,
            description="Masked models: only the likeliest tokens with this probability together are drawn.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config, hub.reference(config))
        if self.reference.revision is None:
            self._family(folders.read_index(Path(self.reference.place)))

    @classmethod
    def smoke(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with a small model of the same kind, few tokens and few steps."""
        kind = testing.diffusion_kind(str(settings["model"]))
        found = {**small(settings, testing.make(kind)), "steps": 4}
        if kind == "bert":  # it has no chat template
            found.pop("system", None)
        return found

    def made_generator(self, device: str) -> Generator:
        from synthgen.models.language.diffusion import DiffusionGenerator
        from synthgen.models.language.reader import Reader, Said

        config = self.config
        family = self._family(hub.read_config(self.reference))
        tokenizer, network = hub.load(
            self.reference, "AutoTokenizer", family.network, device=device, dtype=config.dtype
        )
        said = Said(config.system, config.chat_template, config.template_options)
        reader = Reader(tokenizer, network, config.model, said)
        return DiffusionGenerator(family, network, reader, self._steps(family), config.stop, config.model)

    def _family(self, config: Mapping[str, Any]) -> Family:
        """How the model is run. Raises ModelError if it cannot be, or with settings that it does not have."""
        found = families.diffusion_family(self.config.model, config)
        self._steps(found)
        self.check_template()
        return found

    def _steps(self, family: Family) -> Any:
        """The settings as a pipeline and a scheduler of diffusers take them.

        Raises:
            ModelError: with all settings that this model or scheduler does not have.
        """
        from synthgen.models.language.steps import Steps

        config, scheduler = self.config, self.config.scheduler or family.schedulers[0]
        masked = family.pipeline == "LLaDA2Pipeline"
        messages = []
        if scheduler not in family.schedulers:
            messages.append((f"has no {scheduler}; accepted: {', '.join(family.schedulers)}", "scheduler"))
        of_masked = () if masked else ("block_length", "editing_threshold", "top_k", "top_p")
        messages += [("is of masked models only", name) for name in of_masked if getattr(config, name) is not None]
        for name, wanted in (("entropy_bound", ENTROPY), ("threshold", REFINEMENT)):
            if getattr(config, name) is not None and scheduler != wanted:
                messages.append((f"is of {wanted} only, and this is {scheduler}", name))
        pair = config.temperature if isinstance(config.temperature, tuple) else (config.temperature,) * 2
        if scheduler == ENTROPY and 0 in pair:
            messages.append((f"must not be 0 for {ENTROPY}, which divides by it", "temperature"))
        if scheduler != ENTROPY and isinstance(config.temperature, tuple):
            messages.append((f"takes one number for {scheduler}", "temperature"))
        if messages:
            texts = [f"{config.model}: `{name}` {text}" for text, name in messages]
            raise ModelError(*texts, names=tuple(name for _, name in messages))
        options: dict[str, Any] = {"entropy_bound": config.entropy_bound} if scheduler == ENTROPY else {}
        options |= {"t_max": pair[0], "t_min": pair[1]} if scheduler == ENTROPY else {}
        options |= {"threshold": config.threshold} if scheduler == REFINEMENT and not masked else {}
        call: dict[str, Any] = {} if scheduler == ENTROPY else {"temperature": 1.0 if pair[0] is None else pair[0]}
        if masked:
            options["block_length"] = config.block_length
            call |= {"threshold": config.threshold} if config.threshold is not None else {}
            call |= {name: getattr(config, name) for name in ("editing_threshold", "top_k", "top_p")}
        options = {name: value for name, value in options.items() if value is not None}
        return Steps(scheduler, config.max_new_tokens, config.steps, options, call)
