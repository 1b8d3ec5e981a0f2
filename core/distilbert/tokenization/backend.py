"""The `tokenizers` object below a documented tokenizer: made, read, copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import AddedToken, decoders
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordPiece

from polyhead.distilbert.tokenization.options import TEXT_OPTIONS, TokenizerOptions
from polyhead.distilbert.tokenization.words import set_words, words_of
from polyhead.errors import CheckpointError, ConfigError
from polyhead.tokenizer.wordpiece import wordpiece_backend

__all__ = ["backend_of_file", "backend_of_vocabulary", "copy_of", "with_tokens"]


def backend_of_vocabulary(vocabulary: Mapping[str, int], options: TokenizerOptions) -> Backend:
    """A backend on a vocabulary.

    Raises:
        CheckpointError: The vocabulary lacks the unknown token.
    """
    unknown = str(options.unk_token)
    if unknown not in vocabulary:
        raise CheckpointError(
            f"the vocabulary of {len(vocabulary)} tokens lacks the unknown token {unknown!r}; give "
            "the one it has as unk_token."
        )
    backend = wordpiece_backend(
        vocabulary, prefix=options.wordpieces_prefix, unknown=unknown, special=()
    )
    set_words(backend, options)
    return backend


def backend_of_file(path: Path, options: TokenizerOptions) -> tuple[Backend, TokenizerOptions]:
    """The backend that a `tokenizer.json` describes, and the options completed from it.

    Options that were given win over the file; how text becomes words is left as the file has it
    where no option of it was given.

    Raises:
        CheckpointError: The file is missing, damaged, or not of a WordPiece tokenizer.
        ConfigError: The unknown token that was given is not in the vocabulary.
    """
    backend = _read(path)
    sides = _without_limits(backend)
    model = backend.model
    if not isinstance(model, WordPiece):
        raise CheckpointError(
            f"{path} holds a {type(model).__name__} tokenizer; DistilBERT has WordPiece."
        )
    found = {**words_of(backend), **sides}
    found |= {"unk_token": model.unk_token, "wordpieces_prefix": model.continuing_subword_prefix}
    given = options.model_fields_set
    options = options.model_copy(update={k: v for k, v in found.items() if k not in given})
    if given & TEXT_OPTIONS:
        set_words(backend, options)
    if model.token_to_id(str(options.unk_token)) is None:
        raise ConfigError(f"the vocabulary of {path} lacks the unknown token {options.unk_token}.")
    model.unk_token = str(options.unk_token)
    model.continuing_subword_prefix = options.wordpieces_prefix
    backend.decoder = decoders.WordPiece(prefix=options.wordpieces_prefix)
    return backend, options


def _read(path: Path) -> Backend:
    try:
        text = path.read_text(encoding="utf-8")
        return Backend.from_str(text)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # the library raises bare Exception for what it does not understand
        raise CheckpointError(f"{path} is not a tokenizer's file: {error}") from error


def _without_limits(backend: Backend) -> dict[str, str]:
    """The sides on which a backend cuts and pads, which it does no more: calls say how far."""
    limits = {"truncation_side": backend.truncation, "padding_side": backend.padding}
    backend.no_truncation()
    backend.no_padding()
    return {name: limit["direction"] for name, limit in limits.items() if limit is not None}


def copy_of(backend: Backend) -> Backend:
    """A backend of its own on the same vocabulary, which is shared: it takes microseconds.

    The copy neither cuts nor pads. The original is only read, so other threads may be using it.
    """
    copy = Backend(backend.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if getattr(backend, part) is not None:
            setattr(copy, part, getattr(backend, part))
    copy.encode_special_tokens = backend.encode_special_tokens
    added = backend.get_added_tokens_decoder()
    copy.add_tokens([added[number] for number in sorted(added)])
    return copy


def with_tokens(
    backend: Backend, tokens: Iterable[str | AddedToken], *, special: bool
) -> tuple[Backend, int]:
    """A copy with more tokens, and how many of them the library counts as new.

    A copy, because other threads may be using the backend, and it would refuse the change.

    Raises:
        ConfigError: A new token would have the id of another, in a vocabulary whose ids leave gaps.
    """
    copy, wanted = copy_of(backend), list(tokens)
    n_added = (copy.add_special_tokens if special else copy.add_tokens)(wanted)
    model = copy.model
    for token in map(str, wanted):
        number = copy.token_to_id(token)
        taken = None if number is None else model.id_to_token(number)
        if taken is not None and taken != token:
            raise ConfigError(
                f"the token {token!r} cannot be added: it would have the id {number} of {taken!r}, "
                "because the vocabulary's ids leave gaps."
            )
    return copy, n_added
