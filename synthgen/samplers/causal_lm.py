"""`use: causal-lm`: texts that a causal language model of transformers writes for prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from synthgen import testing
from synthgen.models import folders, hub
from synthgen.models.language import families
from synthgen.models.language.tokens import Draw
from synthgen.samplers.language import Generator, LanguageSampler, LanguageSettings, small


class CausalLM(LanguageSampler):
    """Generates `text`, `messages` or the fields of a JSON object from the condition's prompt.

    `log_likelihood` is the mean natural logarithm of the probabilities of the drawn tokens at temperature 1, the one
    that ends the text among them. `finished` is 1 if the model, or a text of `stop`, ended the text, and 0 if
    `max_new_tokens` did. With `parse: json`, `valid` is 1 if all fields were in the object, and 0 if they are empty.
    """

    version: ClassVar[int] = 1
    maker: ClassVar[str] = "a causal language model"

    class Config(LanguageSettings):
        """Settings of `use: causal-lm`."""

        temperature: float = Field(
            default=1.0, ge=0, le=4, description="Less makes likely tokens likelier; 0 takes the likeliest."
        )
        top_k: int = Field(default=0, ge=0, description="Only so many of the likeliest tokens are drawn; 0 for all.")
        top_p: float = Field(
            default=1.0, gt=0, le=1, description="Only the likeliest tokens with this probability together are drawn."
        )
        rows: int = Field(
            default=1,
            ge=1,
            le=256,
            description="Prompts with equally many tokens that go through the network together; more is faster on a "
            "GPU. It decides bytes.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config, hub.reference(config))
        if self.reference.revision is None:
            self._check(folders.read_index(Path(self.reference.place)))

    @classmethod
    def smoke(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with a small model, and few tokens."""
        return small(settings, testing.make(testing.causal_kind(str(settings["model"]), bool(settings.get("system")))))

    def made_generator(self, device: str) -> Generator:
        from synthgen.models.language.causal import CausalGenerator
        from synthgen.models.language.reader import Reader, Said

        if self.reference.revision is not None:  # what a hub holds is seen when it is there
            self._check(hub.read_config(self.reference))
        config = self.config
        tokenizer, network = hub.load(
            self.reference, "AutoTokenizer", "AutoModelForCausalLM", device=device, dtype=config.dtype
        )
        said = Said(config.system, config.chat_template, config.template_options)
        reader = Reader(tokenizer, network, config.model, said)
        draw = Draw(config.temperature, config.top_k, config.top_p)
        return CausalGenerator(network, reader, draw, config.max_new_tokens, config.stop, config.rows)

    def _check(self, config: Mapping[str, Any]) -> None:
        families.check_causal(self.config.model, config)
        families.check_rows(self.config.model, config, self.config.rows)
        self.check_template()
