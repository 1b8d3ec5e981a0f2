"""Adapters of PEFT, with heads beside them, in and out: LoRA, rsLoRA, DoRA and (IA)3."""

from polyhead.convert.format import Format
from polyhead.convert.peft.reading import read, recognises
from polyhead.convert.peft.writing import write

__all__ = ["PEFT"]

PEFT = Format("peft", "a folder of PEFT", recognises, read, write)
"""The format, for the list of formats."""
