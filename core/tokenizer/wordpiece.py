"""Building WordPiece tokenizers of the `tokenizers` library from a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

from polyhead.errors import CheckpointError

__all__ = ["SPECIAL_TOKENS", "backend_from_files", "frame", "read_vocabulary", "wordpiece_backend"]

SPECIAL_TOKENS = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
"""Those of BERT and DistilBERT."""


def read_vocabulary(path: Path) -> dict[str, int]:
    """The tokens of a `vocab.txt`, one a line, each with its id: the number of its line from 0.

    A token that stands on two lines has the later number, as in every reader of such files.

    Raises:
        CheckpointError: The file cannot be read, is not UTF-8, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{path} is not a vocabulary: byte {error.start} is not UTF-8."
        ) from None
    # not splitlines(): vocabularies hold characters that it takes for ends of lines
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise CheckpointError(f"{path} is empty; a vocabulary has one token a line.")
    return {token: number for number, token in enumerate(lines)}


def wordpiece_backend(
    vocabulary: Mapping[str, int],
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    split_chinese: bool = True,
    prefix: str = "##",
    unknown: str = "[UNK]",
    special: Iterable[str] = SPECIAL_TOKENS,
) -> Backend:
    """The tokenizer that BERT and DistilBERT have on `vocabulary`, without truncation or padding.

    Args:
        vocabulary: Ids by token.
        lowercase: Whether text is lower-cased.
        strip_accents: Whether accents go; None for as `lowercase` says.
        split_chinese: Whether each Chinese character is a word.
        prefix: What marks a piece that continues a word.
        unknown: The token for what the vocabulary cannot spell.
        special: Tokens to be found in text as they stand; those that the vocabulary lacks are left
            out.
    """
    model = WordPiece(
        vocab=dict(vocabulary),
        unk_token=unknown,
        max_input_chars_per_word=100,
        continuing_subword_prefix=prefix,
    )
    backend = Backend(model)
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=split_chinese,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix=prefix)
    found = [token for token in special if token in vocabulary]
    backend.add_special_tokens([AddedToken(token, special=True) for token in found])
    frame(backend, "[CLS]", "[SEP]")
    return backend


def frame(backend: Backend, first: str | None, separator: str | None) -> None:
    """Sets what stands around texts: `first` text `separator`, second text `separator`.

    Args:
        backend: The tokenizer to change.
        first: The token that starts a row; None, or one that the vocabulary lacks, for none.
        separator: The token that ends each text; likewise.
    """
    names = [name for name in (first, separator) if name and backend.token_to_id(name) is not None]
    start = [f"{first}:0"] if first in names else []
    ends = [[f"{separator}:{kind}"] if separator in names else [] for kind in (0, 1)]
    backend.post_processor = TemplateProcessing(
        single=[*start, "$A:0", *ends[0]],
        pair=[*start, "$A:0", *ends[0], "$B:1", *ends[1]],
        special_tokens=[(name, backend.token_to_id(name)) for name in dict.fromkeys(names)],
    )


def backend_from_files(vocabulary: Path, config_file: Path) -> Backend:
    """The tokenizer of a `vocab.txt`, as a `tokenizer_config.json` beside it says.

    Raises:
        CheckpointError: The vocabulary cannot be read.
        ValueError: The config is not JSON.
    """
    config: dict[str, Any] = {}
    if config_file.is_file():
        config = json.loads(config_file.read_text(encoding="utf-8"))
    return wordpiece_backend(
        read_vocabulary(vocabulary),
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        split_chinese=bool(config.get("tokenize_chinese_chars", True)),
    )
