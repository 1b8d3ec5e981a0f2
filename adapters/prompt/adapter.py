"""Prompt adapters: learned rows among the embeddings of each text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from polyhead.adapters.prompt.config import PRESETS, PromptConfig
from polyhead.adapters.prompt.tap import PromptTap
from polyhead.adapters.shares import why_not_whole
from polyhead.contracts import NO_TAPS, Adapter, LayerTaps
from polyhead.errors import ConfigError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.contracts import EmbeddingsTap, EncoderShape, EncoderView

__all__ = ["PromptAdapter"]


class PromptAdapter(Adapter):
    """A prompt that the encoder reads with each text, and nothing in its layers.

    Its one tensor is called `prompt.weight`. Shape: (P, D).

    Source: Lester et al. 2021, arXiv:2104.08691.
    """

    kind = "prompt"
    Config = PromptConfig
    presets = PRESETS
    config: PromptConfig

    def __init__(self, config: PromptConfig, shape: EncoderShape) -> None:
        """Builds the adapter with random rows, which `initialise` may replace.

        Args:
            config: What it looks like. With `init_weights_seed` its weights depend on that seed
                alone, and torch's global generator is left as it is.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__(config, shape)
        generator = config.generator()
        self.prompt = PromptTap(config, shape.width, generator)

    def taps(self, layer: int) -> LayerTaps:
        """None: it acts in front of the first layer alone."""
        del layer
        return NO_TAPS

    def embeddings_tap(self) -> EmbeddingsTap:
        """The prompt."""
        return self.prompt

    @torch.no_grad()
    def initialise(self, encoder: EncoderView) -> None:
        """Fills the prompt with the word embeddings of `prompt_init_text`, where there is one.

        Raises:
            InputError: The model has no tokenizer.
            ConfigError: The text has no sub-words.
        """
        if self.config.prompt_init_text is None:
            return
        words_TD = encoder.embedded(self.config.prompt_init_text)
        if not len(words_TD):
            raise ConfigError(
                f"prompt_init_text {shown(self.config.prompt_init_text)} has no sub-words; give a "
                "text with words, or prompt_init='random_uniform'."
            )
        places = torch.arange(self.config.prompt_length, device=words_TD.device) % len(words_TD)
        self.prompt.weight.copy_(words_TD[places])

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why weights of several cannot be added up; see Adapter."""
        return why_not_whole(shares, "a prompt")
