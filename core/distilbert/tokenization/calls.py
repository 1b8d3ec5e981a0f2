"""Calling a tokenizer: every documented argument, for one text or many, and for pairs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Encoding

from polyhead.distilbert.tokenization.arguments import Arguments
from polyhead.distilbert.tokenization.conversion import TokenConversion
from polyhead.distilbert.tokenization.encoding import BatchEncoding
from polyhead.distilbert.tokenization.limits import Limits, read_limits
from polyhead.distilbert.tokenization.padding import as_columns, padded
from polyhead.distilbert.tokenization.rows import encode_texts, pad_rows
from polyhead.distilbert.tokenization.tensors import check_tensor_type
from polyhead.distilbert.tokenization.texts import read_texts
from polyhead.errors import ConfigError, InputError

__all__ = ["TokenizerCalls"]

_LOG = logging.getLogger(__name__)


class TokenizerCalls(TokenConversion):
    """Adds to the conversions what turns texts into a model's inputs.

    A call changes nothing: threads with other arguments do not disturb one another.

    Attributes:
        model_max_length: Most tokens that the model reads; very large where nobody said.
        model_input_names: What a call returns unless told otherwise; the first is what `pad` pads.
        padding_side: Where padding goes unless the call says.
        truncation_side: Where rows that are too long lose tokens.
        split_special_tokens: Whether "[SEP]" in a text is split as text is, unless the call says.
        pad_token_type_id: What stands for padding among token types.
    """

    model_max_length: int
    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    padding_side: str = "right"
    truncation_side: str = "right"
    split_special_tokens: bool = False
    pad_token_type_id = 0
    _warned_of_length = False

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        *,
        split_special_tokens: bool | None = None,
        **unknown: Any,
    ) -> BatchEncoding:
        """The inputs of a model for a text, a pair of texts, or a list of either.

        Args:
            text: A text, or a list of texts, or a list of pairs of texts. With
                `is_split_into_words` each text is a list of words.
            text_pair: The second text, or a list of as many. An empty one beside a single text
                counts as none.
            text_target: Texts whose ids become `labels`.
            text_pair_target: Their second texts.
            add_special_tokens: Whether [CLS] and [SEP] are put around texts.
            padding: True or "longest" for the longest row's length, "max_length" for that length,
                False or "do_not_pad".
            truncation: True or "longest_first", "only_first" or "only_second" to cut rows to
                `max_length` where they are longer, False or "do_not_truncate". When not given, rows
                are cut if there is a `max_length` and no padding.
            max_length: Most tokens of a row, special tokens included; `model_max_length` when None.
            stride: How many tokens an overflowing row shares with the one before it.
            is_split_into_words: Whether texts are lists of words.
            pad_to_multiple_of: What padded lengths are a multiple of.
            padding_side: "left" or "right"; the attribute of that name when None.
            return_tensors: "pt" for torch, "np" for numpy, None for lists.
            return_token_type_ids: Whether the result has `token_type_ids`, which DistilBERT does
                not read; None for as `model_input_names` says.
            return_attention_mask: Likewise `attention_mask`.
            return_overflowing_tokens: Whether what is cut off follows as further rows, with
                `overflow_to_sample_mapping` to tell which text each row is of.
            return_special_tokens_mask: Whether the result has `special_tokens_mask`.
            return_offsets_mapping: Whether it has `offset_mapping`, each token's characters.
            return_length: Whether it has `length`, each row's number of tokens.
            verbose: Whether to log what looks like a mistake.
            tokenizer_kwargs: More of these arguments; they win over those given one by one.
            split_special_tokens: Whether "[SEP]" in a text is split as text is; None for the
                attribute of that name.
            **unknown: Anything else is refused.

        Returns:
            Values without an axis for rows where one text was given, neither tensors nor
            overflowing rows were asked for, and lists of rows otherwise.

        Raises:
            ConfigError: An argument is unknown, out of range, or contradicts another.
            InputError: A text is of the wrong type or cannot be cut as asked, the batch is empty,
                or rows that are to be a tensor differ in length.
        """
        arguments = Arguments(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
            split_special_tokens=split_special_tokens,
        ).with_more({**unknown, **(tokenizer_kwargs or {})})
        if text is None and text_target is None:
            raise InputError("there is no text: give text, or text_target for labels.")
        if text_target is None:
            return self._encoded(text, text_pair, arguments)
        labels = self._encoded(text_target, text_pair_target, arguments)
        if text is None:
            return labels
        found = self._encoded(text, text_pair, arguments)
        found["labels"] = labels["input_ids"]
        return found

    def encode(self, text: Any, text_pair: Any = None, **arguments: Any) -> Any:
        """The ids alone; arguments are those of a call."""
        return self(text, text_pair, **arguments)["input_ids"]

    def tokenize(
        self, text: Any, pair: Any = None, add_special_tokens: bool = False, **arguments: Any
    ) -> list[str]:
        """The tokens of a text; arguments are those of a call."""
        found = self(text, pair, add_special_tokens=add_special_tokens, **arguments)
        return found.tokens()

    def encode_plus(self, text: Any, text_pair: Any = None, **arguments: Any) -> BatchEncoding:
        """A call by its name in transformers 4."""
        return self(text, text_pair, **arguments)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **arguments: Any) -> BatchEncoding:
        """A call with a list of texts or of pairs, by its name in transformers 4."""
        if not isinstance(batch_text_or_text_pairs, list | tuple):
            raise InputError(
                "batch_encode_plus takes a list of texts or of pairs, not "
                f"{type(batch_text_or_text_pairs).__name__}; call the tokenizer on a single text."
            )
        return self(list(batch_text_or_text_pairs), **arguments)

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads rows that are encoded already, for instance those a data loader has drawn.

        What a call returns is padded, `labels` and everything else are left as they are.

        Args:
            encoded_inputs: A mapping of inputs, of one row or of several, or a list of mappings of
                one row each; lists, arrays or tensors, which stay what they are.
            padding: True or "longest", "max_length", or False.
            max_length: The length of `padding="max_length"`; `model_max_length` when None.
            pad_to_multiple_of: What padded lengths are a multiple of.
            padding_side: "left" or "right"; the attribute of that name when None.
            return_attention_mask: Whether the result has `attention_mask`; None for as
                `model_input_names` says.
            return_tensors: "pt", "np", or None for what was given.
            verbose: Whether to log what looks like a mistake.

        Raises:
            ConfigError: An argument is out of range, or the tokenizer has no padding token.
            InputError: There are no rows, they lack ids, or they do not make a tensor.
        """
        main = self.model_input_names[0]
        columns, is_batch, kind = as_columns(encoded_inputs, main)
        limits = read_limits(
            padding,
            False,
            max_length,
            model_max_length=self.model_max_length,
            multiple=pad_to_multiple_of,
            padding_side=self.padding_side if padding_side is None else padding_side,
            verbose=verbose,
        )
        if limits.padding is not None:
            self._padding_token()
        found = padded(
            columns if is_batch else {name: [value] for name, value in columns.items()},
            main,
            limits,
            self.pad_token_id,
            with_mask=self._returns("attention_mask", return_attention_mask),
        )
        data: Mapping[str, Any] = found
        if not is_batch:
            data = {name: values[0] for name, values in found.items()}
        return BatchEncoding(data, tensor_type=check_tensor_type(return_tensors) or kind)

    @property
    def max_len_single_sentence(self) -> int:
        """Most tokens of a text that the model reads, special tokens left out."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """Most tokens of two texts together that the model reads, special tokens left out."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def _encoded(self, text: Any, pair: Any, arguments: Arguments) -> BatchEncoding:
        kind = check_tensor_type(arguments.return_tensors)
        limits = self._limits(arguments)
        texts = read_texts(text, pair, is_split=arguments.is_split_into_words)
        splits = arguments.split_special_tokens
        rows = encode_texts(
            self._backend,
            texts,
            limits,
            add_special_tokens=arguments.add_special_tokens,
            split_special_tokens=self.split_special_tokens if splits is None else splits,
        )
        if limits.padding is not None:
            pad_rows(rows, limits, *self._padding_token())
        samples = list(range(len(rows)))
        if arguments.return_overflowing_tokens:
            pieces = [[row, *row.overflowing] for row in rows]
            samples = [place for place, several in enumerate(pieces) for _ in several]
            rows = [row for several in pieces for row in several]
        data = self._inputs(rows, arguments)
        if arguments.return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = samples
        elif not texts.is_batch and kind is None:
            data = {name: v[0] if isinstance(v[0], list) else v for name, v in data.items()}
        if arguments.verbose and limits.max_length is None:
            self._warn_of_length(max(len(row) for row in rows))
        return BatchEncoding(data, rows, tensor_type=kind)

    def _limits(self, arguments: Arguments) -> Limits:
        side = arguments.padding_side
        return read_limits(
            arguments.padding,
            arguments.truncation,
            arguments.max_length,
            model_max_length=self.model_max_length,
            stride=arguments.stride,
            multiple=arguments.pad_to_multiple_of,
            padding_side=self.padding_side if side is None else side,
            truncation_side=self.truncation_side,
            verbose=arguments.verbose,
        )

    def _inputs(self, rows: Sequence[Encoding], arguments: Arguments) -> dict[str, list[Any]]:
        data: dict[str, list[Any]] = {"input_ids": [row.ids for row in rows]}
        if self._returns("token_type_ids", arguments.return_token_type_ids):
            data["token_type_ids"] = [row.type_ids for row in rows]
        if self._returns("attention_mask", arguments.return_attention_mask):
            data["attention_mask"] = [row.attention_mask for row in rows]
        if arguments.return_special_tokens_mask:
            data["special_tokens_mask"] = [row.special_tokens_mask for row in rows]
        if arguments.return_offsets_mapping:
            data["offset_mapping"] = [row.offsets for row in rows]
        if arguments.return_length:
            data["length"] = [len(row) for row in rows]
        return data

    def _returns(self, name: str, asked: bool | None) -> bool:
        return name in self.model_input_names if asked is None else asked

    def _padding_token(self) -> tuple[str, int]:
        token, number = self.pad_token, self.pad_token_id
        if token is None or number is None:
            raise ConfigError(
                "the tokenizer has no padding token; give it one: "
                "tokenizer.add_special_tokens({'pad_token': '[PAD]'})."
            )
        return token, number

    def _warn_of_length(self, length: int) -> None:
        if length > self.model_max_length and not self._warned_of_length:
            self._warned_of_length = True
            _LOG.warning(
                "a row has %d tokens and the model reads %d; truncation=True cuts such rows.",
                length,
                self.model_max_length,
            )
