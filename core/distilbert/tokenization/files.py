"""The files of a tokenizer in a checkpoint folder, as transformers writes and reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken

from polyhead.distilbert.tokenization.options import TOKEN_NAMES, TokenizerOptions, read_options
from polyhead.errors import CheckpointError, ConfigError

__all__ = ["TokenizerFiles", "file_contents", "read_folder", "vocabulary_text"]

_CONFIG: Final = "tokenizer_config.json"
_SPECIAL: Final = "special_tokens_map.json"
_ADDED: Final = "added_tokens.json"
_FAST: Final = "tokenizer.json"
_VOCABULARY: Final = "vocab.txt"
_EXTRA: Final = ("additional_special_tokens", "extra_special_tokens")
# a path in a file could lead anywhere; the name is that by which the folder was found
_NOT_FROM_FILES: Final = {"name_or_path"}


@dataclass(frozen=True)
class TokenizerFiles:
    """What a folder says of its tokenizer.

    Attributes:
        vocab_file: `vocab.txt`, where `tokenizer.json` is not there to be read in its place.
        tokenizer_file: `tokenizer.json`, or None.
        options: What the other files say, by the names of `TokenizerOptions`.
    """

    vocab_file: Path | None
    tokenizer_file: Path | None
    options: dict[str, Any]


def read_folder(folder: Path) -> TokenizerFiles:
    """The tokenizer's files of a checkpoint folder.

    Raises:
        CheckpointError: There is neither `tokenizer.json` nor `vocab.txt`, or a file is damaged.
    """
    fast, vocabulary = folder / _FAST, folder / _VOCABULARY
    if not fast.is_file() and not vocabulary.is_file():
        raise CheckpointError(
            f"{folder} has no tokenizer; a checkpoint needs {_FAST} or {_VOCABULARY}."
        )
    config = _read(folder / _CONFIG)
    options = {
        name: config[name]
        for name, field in TokenizerOptions.model_fields.items()
        if name in config
        and name not in _NOT_FROM_FILES
        # null says nothing, but that there is no such token
        and (config[name] is not None or name in TOKEN_NAMES or field.default is None)
    }
    if isinstance(limit := config.get("model_max_length", config.get("max_len")), int | float):
        options["model_max_length"] = int(limit)
    if "added_tokens_decoder" in config:
        options["added_tokens_decoder"] = _by_id(config["added_tokens_decoder"], folder / _CONFIG)
    else:  # files of older versions, which say it elsewhere
        special = _read(folder / _SPECIAL)
        options |= {name: special[name] for name in (*TOKEN_NAMES, *_EXTRA) if name in special}
        added = _read(folder / _ADDED)
        if added:
            tokens = _old_added(added, _special_in(options), folder / _ADDED)
            options["added_tokens_decoder"] = tokens
    try:
        read_options(options)
    except ConfigError as error:
        raise CheckpointError(f"{folder / _CONFIG}: {error}") from None
    is_fast = fast.is_file()
    return TokenizerFiles(None if is_fast else vocabulary, fast if is_fast else None, options)


def _read(path: Path) -> dict[str, Any]:
    """A JSON object, empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds {type(found).__name__}, and not a JSON object.")
    return found


def _by_id(tokens: object, path: Path) -> dict[int, Any]:
    try:
        return {int(number): token for number, token in dict(tokens).items()}  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise CheckpointError(f"{path}: added_tokens_decoder must have tokens by id.") from None


def _special_in(options: Mapping[str, Any]) -> set[str]:
    values = [options.get(name) for name in TOKEN_NAMES]
    for name in _EXTRA:
        values += options.get(name) or []
    return {_content(value) for value in values if value}


def _content(token: Any) -> str:
    return str(token.get("content") if isinstance(token, Mapping) else token)


def _old_added(added: Mapping[str, object], special: set[str], path: Path) -> dict[int, AddedToken]:
    """The tokens of `added_tokens.json`, which has ids by token."""
    found = {}
    for token, number in added.items():
        if not isinstance(number, int):
            raise CheckpointError(f"{path} must have ids by token, and {token!r} has {number!r}.")
        is_special = token in special
        found[number] = AddedToken(token, special=is_special, normalized=not is_special)
    return found


def file_contents(
    options: Mapping[str, Any],
    added: Mapping[int, AddedToken],
    vocabulary: Mapping[str, int],
    backend: str | None,
    *,
    with_vocabulary: bool,
    prefix: str | None = None,
) -> dict[str, bytes]:
    """The files of a tokenizer by name.

    transformers 5 reads `tokenizer.json` and the options, 4 the vocabulary and the maps, too.

    Args:
        options: What `tokenizer_config.json` says.
        added: The tokens that are matched in the text itself, by id.
        vocabulary: Ids by token, added ones left out.
        backend: The content of `tokenizer.json`, or None to leave it out.
        with_vocabulary: Whether `vocab.txt` and `added_tokens.json` are among them.
        prefix: What stands before each name, with a dash.

    Raises:
        ConfigError: The vocabulary's ids leave gaps, which `vocab.txt` cannot say.
    """
    config = dict(options)
    config["tokenizer_class"] = "DistilBertTokenizer"
    config["added_tokens_decoder"] = {str(n): _fields(added[n]) for n in sorted(added)}
    special = {name: options[name] for name in (*TOKEN_NAMES, _EXTRA[0]) if options.get(name)}
    contents = {_CONFIG: _json(config), _SPECIAL: _json(special)}
    if backend is not None:
        contents[_FAST] = backend.encode()
    if with_vocabulary:
        contents[_VOCABULARY] = vocabulary_text(vocabulary).encode()
        beyond = {token.content: n for n, token in added.items() if token.content not in vocabulary}
        if beyond:
            contents[_ADDED] = _json(beyond)
    start = f"{prefix}-" if prefix else ""
    return {start + name: content for name, content in contents.items()}


def vocabulary_text(vocabulary: Mapping[str, int]) -> str:
    """A vocabulary as `vocab.txt` has it.

    Raises:
        ConfigError: Its ids leave gaps, or a token has an end of line in it.
    """
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    for line, token in enumerate(tokens):
        if vocabulary[token] != line or "\n" in token or "\r" in token:
            raise ConfigError(
                f"{_VOCABULARY} cannot hold this vocabulary: token {token!r} has the id "
                f"{vocabulary[token]} and would stand on line {line} from 0; save with "
                "legacy_format=False."
            )
    return "".join(f"{token}\n" for token in tokens)


def _fields(token: AddedToken) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(token, name) for name in names}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
