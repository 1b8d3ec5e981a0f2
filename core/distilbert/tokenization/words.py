"""How text becomes words before WordPiece: cleaning, letters, punctuation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Regex, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from polyhead.distilbert.tokenization.options import TokenizerOptions

__all__ = ["set_words", "words_of"]

_PUNCTUATION = r"[!-/:-@\[-`{-~]|\p{P}"
_SPACE = r"[\s\x1c-\x1f]+"  # as Python's str.split()
_MARK = "\uffff"
"""No character of any text: it ends a word that is whole and that no vocabulary can spell."""


def words_of(backend: Backend) -> dict[str, Any]:
    """The text options that a backend works by, as far as it is of BERT's kind."""
    if backend.normalizer is None:
        return {}
    state = json.loads(backend.normalizer.__getstate__())
    steps = [step for step in _steps(state) if step.get("type") == "BertNormalizer"]
    if not steps:
        return {}
    strips = any(step["strip_accents"] for step in steps[1:])  # as `set_words` does it
    return {
        "do_lower_case": steps[0]["lowercase"],
        "tokenize_chinese_chars": steps[0]["handle_chinese_chars"],
        "strip_accents": strips or steps[0]["strip_accents"],
        "clean_text": steps[0]["clean_text"],
    }


def _steps(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if state.get("type") == "Sequence":
        for step in state["normalizers"]:
            yield from _steps(step)
    else:
        yield state


def set_words(backend: Backend, options: TokenizerOptions) -> None:
    """Makes a backend split text as the options say.

    Without basic tokenisation text is split at white space, and that is all, as by transformers'
    slow tokenizer. Words of `never_split` are found as it finds them, too: between white space, in
    text that is lower-cased already. One that the vocabulary lacks becomes the unknown token.

    Args:
        backend: Its normaliser and pre-tokeniser are replaced.
        options: What they are to do.
    """
    if not options.do_basic_tokenize:
        backend.normalizer = normalizers.Sequence([])
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(_SPACE), "removed")
        return
    whole = sorted({word for word in options.never_split or () if word.strip()})
    if not whole:
        backend.normalizer = _normalizer(options, strip_accents=options.strip_accents)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return
    spelled = [word for word in whole if backend.model.token_to_id(word) is not None]
    unknown = [word for word in whole if backend.model.token_to_id(word) is None]
    strip = options.do_lower_case if options.strip_accents is None else options.strip_accents
    backend.normalizer = normalizers.Sequence(
        [
            _normalizer(options, strip_accents=False),
            *([_marking(unknown)] if unknown else []),
            *([_no_accents()] if strip else []),
        ]
    )
    kept = [rf"\A(?:{_any_of(spelled)})\z"] if spelled else []
    pattern = "|".join([*kept, rf"\A\S+{_MARK}\z", _PUNCTUATION])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(pattern), "isolated")]
    )


def _normalizer(
    options: TokenizerOptions, *, strip_accents: bool | None
) -> normalizers.BertNormalizer:
    return normalizers.BertNormalizer(
        clean_text=options.clean_text,
        handle_chinese_chars=options.tokenize_chinese_chars,
        strip_accents=strip_accents,
        lowercase=options.do_lower_case,
    )


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in words)


def _marking(words: Sequence[str]) -> normalizers.Replace:
    # \K: nothing is replaced, the mark is put behind the word, which keeps its place in the text
    return normalizers.Replace(Regex(rf"(?<!\S)(?:{_any_of(words)})\K(?!\S)"), _MARK)


def _no_accents() -> normalizers.BertNormalizer:
    return normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
    )
