"""A plugin whose heads misbehave, each in its own way; installed for servers that tests torment."""

import time
from typing import Literal

import torch

import polyhead as ph
from polyhead.heads.classification.config import ClassificationHeadConfig
from polyhead.heads.classification.head import ClassificationHead


class MoodyHeadConfig(ClassificationHeadConfig):
    """A classification head that does something wrong."""

    mood: Literal["raise", "raise_on_two_words", "nan", "shape", "sleep", "exit", "decode"]


class MoodyHead(ClassificationHead):
    """Answers as its mood is."""

    kind = "moody"
    Config = MoodyHeadConfig

    def forward(self, hidden):
        """What its mood makes of the logits."""
        logits = super().forward(hidden)
        match self.config.mood:
            case "raise":
                raise RuntimeError("out of sorts")
            case "raise_on_two_words" if 4 in hidden.packing.lengths:
                raise RuntimeError("not two words")
            case "nan":
                return logits * float("nan")
            case "shape":
                return torch.zeros(len(logits) + 1, 2)
            case "sleep":
                time.sleep(0.05)
            case "exit":
                raise SystemExit(3)
        return logits

    def decode(self, output, encoded):
        """The answers, unless that is what fails."""
        if self.config.mood == "decode":
            raise ValueError("lost for words")
        return super().decode(output, encoded)


@ph.hookimpl
def polyhead_register_heads(register):
    """Registers the head."""
    register(MoodyHead)
