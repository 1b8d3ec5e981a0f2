"""The tokenizer of the DistilBERT documents: from text to a model's inputs and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from polyhead.artifact import write_file
from polyhead.distilbert.tokenization.backend import (
    backend_of_file,
    backend_of_vocabulary,
    with_tokens,
)
from polyhead.distilbert.tokenization.calls import TokenizerCalls
from polyhead.distilbert.tokenization.files import file_contents, read_folder, vocabulary_text
from polyhead.distilbert.tokenization.options import TOKEN_NAMES, read_options
from polyhead.encoder.finding import find_tokenizer
from polyhead.encoder.hub import HubOptions
from polyhead.errors import CheckpointError, ConfigError
from polyhead.tokenizer.wordpiece import read_vocabulary

__all__ = ["DistilBertTokenizer", "DistilBertTokenizerFast"]

_NEEDED = {"cls_token", "sep_token"}
"""Without them no row can be made; a vocabulary may lack [PAD] and [MASK]."""
_UNUSED = {"bos_token", "eos_token"}


class DistilBertTokenizer(TokenizerCalls):
    """DistilBERT's tokenizer, under the names and with the options of transformers.

    `DistilBertTokenizer` and `DistilBertTokenizerFast` are the same. Its ids, offsets and decoded
    texts are those of transformers' fast tokenizer; the slow one of transformers 4 differs from it
    in characters that are newer than the tables of the `tokenizers` library, in composed accents
    of cased models, and in which of two texts keeps the odd token when a pair is cut.

    Options:
        do_lower_case: Whether text is lower-cased; true unless said.
        do_basic_tokenize: Whether text is cleaned and split at punctuation before WordPiece; if
            not, it is split at white space alone, and none of the options on text counts.
        never_split: Words that are never split: an iterable of strings. They are compared with what
            stands between white space, lower-cased already with `do_lower_case`; one that the
            vocabulary lacks becomes the unknown token. (The fast tokenizers of transformers take
            this option and do nothing.)
        tokenize_chinese_chars: Whether each Chinese character is a word.
        strip_accents: Whether accents go; None for where text is lower-cased.
        clean_text: Whether control characters go and white space becomes a space. (transformers
            takes `False` and cleans.)
        wordpieces_prefix: What marks a piece that continues a word. (transformers takes another and
            keeps "##".)
        unk_token: The token for what the vocabulary cannot spell.
        sep_token: The token that ends each text.
        pad_token: The token that fills rows up to one length.
        cls_token: The token that starts a row.
        mask_token: The token that stands for a hidden one.
        bos_token: Without use here, as `eos_token`.
        eos_token: Without use here.
        additional_special_tokens: More special tokens; `extra_special_tokens` in transformers 5.
        extra_special_tokens: The same.
        added_tokens_decoder: Tokens beside the vocabulary, by id.
        model_max_length: Most tokens that the model reads.
        padding_side: Where padding goes: "right" or "left".
        truncation_side: Where rows that are too long lose tokens: "right" or "left".
        model_input_names: What a call returns: `input_ids` and `attention_mask`.
        clean_up_tokenization_spaces: Whether decoding puts English contractions together.
        split_special_tokens: Whether "[SEP]" in a text is split as text is.
        name_or_path: Where it came from.

    A special token is a string or a `tokenizers.AddedToken`, or None for none. One that is given
    and that the vocabulary lacks is added to it; [PAD] and [MASK] that are not given and lacking
    are None.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {
        "vocab_file": "vocab.txt",
        "tokenizer_file": "tokenizer.json",
    }

    def __init__(
        self,
        vocab_file: str | Path | Mapping[str, int] | None = None,
        *,
        vocab: str | Path | Mapping[str, int] | None = None,
        tokenizer_file: str | Path | None = None,
        **options: Any,
    ) -> None:
        """Makes a tokenizer from a vocabulary or from a file of the `tokenizers` library.

        Args:
            vocab_file: A `vocab.txt`, or ids by token.
            vocab: The same, as transformers 5 calls it.
            tokenizer_file: A `tokenizer.json`, which is read in place of a vocabulary. Options that
                are not given are as it says.
            **options: See the class.

        Raises:
            ConfigError: No vocabulary is given, or an option is unknown or of the wrong type.
            CheckpointError: A file is missing or damaged, or the vocabulary lacks a token that is
                needed.
        """
        given = read_options(options)
        source = vocab if vocab_file is None else vocab_file
        if tokenizer_file is not None:
            backend, given = backend_of_file(Path(tokenizer_file), given)
        elif isinstance(source, Mapping):
            backend = backend_of_vocabulary(source, given)
        elif source is not None:
            backend = backend_of_vocabulary(read_vocabulary(Path(source)), given)
        else:
            raise ConfigError(
                "a tokenizer needs a vocabulary: give vocab_file or tokenizer_file, or load a "
                "checkpoint's with from_pretrained."
            )
        super().__init__(_with_added(backend, given.added_tokens_decoder))
        self._options = given
        self.model_max_length = given.model_max_length
        self.model_input_names = list(given.model_input_names)
        self.padding_side = given.padding_side
        self.truncation_side = given.truncation_side
        self.split_special_tokens = given.split_special_tokens
        self.clean_up_tokenization_spaces = given.clean_up_tokenization_spaces
        self.name_or_path = given.name_or_path
        self._adopt_special_tokens()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        **options: Any,
    ) -> Self:
        """The tokenizer of a checkpoint.

        Args:
            pretrained_model_name_or_path: A checkpoint folder, a named backbone such as "minilm", a
                hub id such as "distilbert/distilbert-base-uncased", or a `vocab.txt` or
                `tokenizer.json`.
            revision: Branch, tag or commit on the hub.
            cache_dir: Where the hub's files are kept.
            local_files_only: Whether to use the hub's cache alone.
            token: For private repositories.
            **options: See the class; they win over those in the checkpoint's files.

        Raises:
            UnknownBackboneError: There is no such folder or named backbone.
            CheckpointError: Its files are missing or damaged.
            ConfigError: An option is unknown or of the wrong type.
        """
        read_options(options)  # before anything is fetched
        name = pretrained_model_name_or_path
        named = {"name_or_path": str(name), **options}
        suffix = Path(name).suffix
        if suffix in {".txt", ".json"} and Path(name).is_file():
            return cls(**{"tokenizer_file" if suffix == ".json" else "vocab_file": name}, **named)
        hub = HubOptions(revision, cache_dir, local_files_only, token)
        files = read_folder(find_tokenizer(name, hub))
        return cls(
            files.vocab_file, tokenizer_file=files.tokenizer_file, **{**files.options, **named}
        )

    def save_pretrained(
        self,
        save_directory: str | Path,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
    ) -> tuple[str, ...]:
        """Writes the files that this class and transformers load it from.

        Args:
            save_directory: The folder, which may hold other files, such as a model's.
            legacy_format: True for `vocab.txt` without `tokenizer.json`, False for the opposite,
                None for both.
            filename_prefix: What stands before each name, with a dash.

        Returns:
            The paths of the files.

        Raises:
            WriteError: They could not be written.
            ConfigError: `vocab.txt` cannot hold the vocabulary, whose ids leave gaps.
        """
        backend = self._backend
        contents = file_contents(
            self._saved_options(),
            self.added_tokens_decoder,
            backend.get_vocab(with_added_tokens=False),
            None if legacy_format else backend.to_str(pretty=True),
            with_vocabulary=legacy_format is not False,
            prefix=filename_prefix,
        )
        return self._write(Path(save_directory), contents)

    def save_vocabulary(
        self, save_directory: str | Path, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Writes `vocab.txt` alone, without added tokens, and returns its path.

        Raises:
            WriteError: It could not be written.
            ConfigError: It cannot hold the vocabulary, whose ids leave gaps.
        """
        name = f"{filename_prefix}-vocab.txt" if filename_prefix else "vocab.txt"
        text = vocabulary_text(self._backend.get_vocab(with_added_tokens=False))
        return self._write(Path(save_directory), {name: text.encode()})

    @staticmethod
    def _write(folder: Path, contents: Mapping[str, bytes]) -> tuple[str, ...]:
        for name, content in contents.items():
            write_file(folder / name, content)
        return tuple(str(folder / name) for name in contents)

    def _saved_options(self) -> dict[str, Any]:
        saved = self._options.model_dump(
            exclude={"added_tokens_decoder", "extra_special_tokens", "name_or_path"}
        )
        saved |= {name: getattr(self, name) for name in saved if name != "never_split"}
        # transformers takes a beginning and an end of None for tokens of that name
        return {name: v for name, v in saved.items() if v is not None or name not in _UNUSED}

    def _adopt_special_tokens(self) -> None:
        """Gives the special tokens their names, and adds those that were given and are not there.

        Raises:
            CheckpointError: The vocabulary lacks [CLS] or [SEP], and no others were given.
        """
        named: dict[str, str | AddedToken | list[str | AddedToken]] = {}
        for name in TOKEN_NAMES:
            token = getattr(self._options, name)
            if token is None or (str(token) not in self and not self._options.is_given(name)):
                if token is not None and name in _NEEDED:
                    raise CheckpointError(
                        f"the vocabulary of {len(self)} tokens lacks {token!r}, which stands "
                        f"around texts; give the one it has as {name}, or None for none."
                    )
                continue
            named[name] = self._known(token)
        if self._options.special_tokens:
            named["extra_special_tokens"] = [self._known(t) for t in self._options.special_tokens]
        self.add_special_tokens(named)

    def _known(self, token: str | AddedToken) -> str | AddedToken:
        """A token as files or the caller say it is matched, where its name alone is given."""
        if isinstance(token, AddedToken):
            return token
        added = self._backend.get_added_tokens_decoder()
        return next((known for known in added.values() if known.content == token), token)

    @property
    def is_fast(self) -> bool:
        """True: the `tokenizers` library does the work."""
        return True

    @property
    def do_lower_case(self) -> bool:
        """Whether text is lower-cased."""
        return self._options.do_lower_case

    @property
    def do_basic_tokenize(self) -> bool:
        """Whether text is cleaned and split at punctuation before WordPiece."""
        return self._options.do_basic_tokenize

    @property
    def never_split(self) -> tuple[str, ...] | None:
        """Words that are never split."""
        return self._options.never_split

    @property
    def tokenize_chinese_chars(self) -> bool:
        """Whether each Chinese character is a word."""
        return self._options.tokenize_chinese_chars

    @property
    def strip_accents(self) -> bool | None:
        """Whether accents go; None for where text is lower-cased."""
        return self._options.strip_accents

    @property
    def clean_text(self) -> bool:
        """Whether control characters go."""
        return self._options.clean_text

    @property
    def wordpieces_prefix(self) -> str:
        """What marks a piece that continues a word."""
        return self._options.wordpieces_prefix

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, "
            f"vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, "
            f"padding_side={self.padding_side!r}, truncation_side={self.truncation_side!r}, "
            f"special_tokens={self.special_tokens_map})"
        )


DistilBertTokenizerFast = DistilBertTokenizer


def _with_added(backend: Backend, tokens: Mapping[int, str | AddedToken]) -> Backend:
    """The backend with the tokens that files keep beside the vocabulary.

    Raises:
        CheckpointError: One would not have the id that the files say.
    """
    for number in sorted(tokens):
        backend, _ = with_tokens(backend, [tokens[number]], special=False)
        found = backend.token_to_id(str(tokens[number]))
        if found != number:
            raise CheckpointError(
                f"the tokenizer's files contradict one another: they give the added token "
                f"{str(tokens[number])!r} the id {number}, and in this vocabulary it is {found}."
            )
    return backend
