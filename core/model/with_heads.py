"""The model: one frozen encoder, its adapters, heads and tasks.

There is no active adapter and no active head: every call names the ones it wants, for all rows or
row by row, and many threads call one model at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self, overload

import torch
from torch import Tensor

from polyhead.batch import Hidden
from polyhead.composition import AdapterSetup
from polyhead.contracts import Adapter, Example, Head, HeadOutput, Prediction
from polyhead.encoder import (
    DistilBertConfig,
    Encoder,
    HubOptions,
    Precision,
    check_precision,
    device_named,
    load_encoder,
)
from polyhead.errors import InputError, shown
from polyhead.model.activation_cache import ActivationCache
from polyhead.model.answer_keys import AnswerKeys
from polyhead.model.cached_answers import cached_answers
from polyhead.model.caching import CachingModel
from polyhead.model.checked_heads import encoded_by, output_of
from polyhead.model.documented import DocumentedModel
from polyhead.model.encoding import AskedRows, Encoding
from polyhead.model.hosted_adapters import HostedAdaptersModel
from polyhead.model.loading import find_checkpoint
from polyhead.model.output import ModelOutput
from polyhead.model.padded import EncodedBatch, PaddedBatch
from polyhead.model.per_row import PerRow, SetupPerRow, names_per_row, setups_per_row
from polyhead.model.prediction import (
    BATCH_TOKENS,
    GPU_BATCH_TOKENS,
    Computing,
    HeadCall,
    Question,
    answer,
    answers_at,
    as_list,
)
from polyhead.model.reading import Reading
from polyhead.model.task import Task
from polyhead.model.tensors import Labels, answer_positions, targets_for
from polyhead.model.unset import UNSET, Unset
from polyhead.tokenizer import Tokenizer

__all__ = ["DistilBertModelWithHeads"]


class DistilBertModelWithHeads(DocumentedModel, CachingModel, HostedAdaptersModel):
    """One frozen DistilBERT encoder with named adapters, heads and tasks.

    Attributes:
        encoder: The frozen encoder.
        tokenizer: Its tokenizer, or None for a checkpoint without one, which takes tensors only.
        backbone: The encoder's name, shape and fingerprint, as saved with every artifact.
    """

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        precision: Precision = "float32",
        device: str | torch.device | None = None,
    ) -> Self:
        """A model on the encoder of a checkpoint.

        Args:
            name: A checkpoint folder, a named backbone such as "minilm", or a hub id such as
                "distilbert/distilbert-base-uncased".
            revision: Branch, tag or commit on the hub.
            cache_dir: Where the hub's files are kept.
            local_files_only: Whether to use the hub's cache alone.
            token: For private repositories.
            precision: What the encoder's products are computed in: "float32"; on a CPU also
                "int8", or "bfloat16" where it has that; on a GPU "bfloat16" or "float16". Adapters
                and heads fit all of them.
            device: Where the model is put; the CPU when None.

        Raises:
            ConfigError: There is no such device or precision, or not together.
            UnknownBackboneError: There is no such folder or named backbone.
            CheckpointError: Its files are missing, damaged or of another architecture.
        """
        place = device_named(device)
        check_precision(precision, place)
        folder = find_checkpoint(name, HubOptions(revision, cache_dir, local_files_only, token))
        encoder = load_encoder(folder)
        has_tokenizer = any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt"))
        tokenizer = Tokenizer.from_folder(folder) if has_tokenizer else None
        return cls._on(place, precision, encoder, tokenizer, str(name))

    @classmethod
    def from_config(
        cls,
        config: DistilBertConfig,
        tokenizer: Tokenizer | None = None,
        *,
        precision: Precision = "float32",
        device: str | torch.device | None = None,
    ) -> Self:
        """A model on an encoder with fresh random weights, for tests and measurements.

        Args:
            config: The encoder's sizes.
            tokenizer: For calls with texts.
            precision: As `from_pretrained` takes it.
            device: Likewise.

        Raises:
            ConfigError: The sizes do not go together, or the precision or device is not there.
        """
        place = device_named(device)
        check_precision(precision, place)
        return cls._on(place, precision, Encoder(config), tokenizer, "random")

    @classmethod
    def _on(
        cls,
        device: torch.device,
        precision: Precision,
        encoder: Encoder,
        tokenizer: Tokenizer | None,
        name: str,
    ) -> Self:
        """A model on a device, in a precision that goes with it."""
        if device.type == "cpu":
            encoder.reduce(precision)  # first: a model digests all weights that it is given
            return cls(encoder, tokenizer, name)
        return cls(encoder, tokenizer, name).to(device, getattr(torch, precision))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        adapter_names: SetupPerRow | Unset = UNSET,
        head: PerRow | Unset = UNSET,
        labels: Labels | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Runs a padded batch.

        Args:
            input_ids: Token ids. Shape: (B, T), or (E, C, T) for examples of C rows each, such as
                the choices of a question: a head and an adapter are then named for each example.
            attention_mask: 1 for a token, 0 for padding, which may lie anywhere. Shape: as
                input_ids.
            head_mask: What the weights of each attention head are multiplied with. Shape: (H,) for
                all layers, or (L, H).
            inputs_embeds: In place of `input_ids` and their word embeddings. Shape: (B, T, D) or
                (E, C, T, D).
            adapter_names: For all rows or one a row: an adapter's name, several put together, such
                as Stack("a", "b"), or None for the bare encoder. When not given, each head's own
                adapter.
            head: For all rows or one a row: a head's name, or None for hidden states only. When not
                given, the model's only head; none where it has none.
            labels: For the loss: a tensor for a single head, a list with one label a row, or a dict
                with a tensor for each head.
            start_positions: With `end_positions` in place of `labels`, for a question answering
                head: where the answers start. Shape: (B,).
            end_positions: Where they end. Shape: (B,).
            output_attentions: Whether to return the attention weights.
            output_hidden_states: Whether to return every layer's hidden states.

        Returns:
            Hidden states, outputs and loss.

        Raises:
            InputError: The tensors or labels are not of that form.
            UnknownAdapterError: A named adapter is not there.
            UnknownHeadError: A named head is not there.
        """
        batch, n_each = PaddedBatch.of_examples(input_ids, attention_mask, inputs_embeds)
        n_examples = len(batch.rows) // n_each
        row_heads = self._row_heads(head, n_examples)
        row_adapters = self._row_adapters(adapter_names, row_heads)
        names = tuple(dict.fromkeys(name for name in row_heads if name is not None))
        heads = {name: self._heads.find(name) for name in names}
        readings = [Reading(range(len(batch.rows)), self.shape.n_layers, output_hidden_states)]
        for name, found in heads.items():
            examples = [number for number, owner in enumerate(row_heads) if owner == name]
            numbers = [n for first in examples for n in range(first * n_each, (first + 1) * n_each)]
            readings.append(Reading.of(found, numbers, (n_each,) * len(examples)))
        with self._at_hand(row_adapters) as adapters:
            done = Encoding(
                self.encoder,
                AskedRows(
                    batch.rows,
                    [name for name in row_adapters for _ in range(n_each)],
                    [name in self.private_tasks for name in row_heads for _ in range(n_each)],
                    first_only=[False] * len(batch.rows),  # the output shows all tokens
                    embeds=batch.embeds,
                ),
                adapters,
                self.shape.n_layers,
                keep_layers=output_hidden_states or any(h.keeps_layers for h in heads.values()),
                keep_attentions=output_attentions,
                head_mask=head_mask,
                prefixes=self._usable_prefixes(self.shape.n_layers),
            ).computed()
            hidden, *own = done.hidden(readings)
            outputs = {
                name: output_of(found, seen)
                for (name, found), seen in zip(heads.items(), own, strict=True)
            }
        losses = {}
        labels = answer_positions(labels, start_positions, end_positions)
        if labels is not None:
            mask = batch.mask if n_each == 1 else batch.mask.view(n_examples, n_each, -1)
            targets = targets_for(labels, heads, row_heads, mask)
            losses = {
                name: heads[name].loss(outputs[name], targets[name].to(self.device))
                for name in names
            }
        mask = batch.mask.to(self.device)
        encoded = EncodedBatch(hidden, mask, done.output, done.plan.place)
        penalties = self._penalties(row_adapters) if losses else ()
        return ModelOutput(encoded, row_heads, heads, outputs, losses, penalties)

    def compute(
        self, calls: Sequence[HeadCall], cache: ActivationCache | None = None
    ) -> list[HeadOutput]:
        """Runs rows of any heads and adapters in one packed pass.

        Training and prediction come through here. Whether a graph is recorded is torch's mode's
        affair.

        Args:
            calls: The heads and their rows.
            cache: Hidden states of the bare encoder, found there and kept there. It must keep all
                layers that the calls read.

        Returns:
            One output a call.

        Raises:
            UnknownAdapterError: A named adapter is not there.
            UnknownHeadError: A named head is not there.
        """
        with self.encoding(calls, cache) as read:
            return [output_of(head, hidden) for head, hidden in read]

    @contextmanager
    def encoding(
        self, calls: Sequence[HeadCall], cache: ActivationCache | None = None
    ) -> Iterator[list[tuple[Head, Hidden]]]:
        """What each call's head reads of one packed pass, for the block to hand it over.

        It is for those who call the heads one by one, so that one that fails takes no other with
        it: serving does. Raises as `compute` does.

        Args:
            calls: The heads and their rows.
            cache: As `compute` takes it.
        """
        heads = [self._heads.find(call.head) for call in calls]
        rows = [row for call in calls for row in call.rows]
        row_adapters = [adapter for call in calls for adapter in call.adapters]
        readings: list[Reading] = []
        private_rows: list[bool] = []
        first_only: list[bool] = []
        for head, call in zip(heads, calls, strict=True):
            n_before, n_own = len(first_only), len(call.rows)
            readings.append(Reading.of(head, range(n_before, n_before + n_own), call.row_counts))
            private_rows += [call.private or call.head in self.private_tasks] * n_own
            first_only += [head.reads_first_only] * n_own
        depth = max((head.depth for head in heads), default=0)
        with self._at_hand(row_adapters) as adapters:
            done = Encoding(
                self.encoder,
                AskedRows(rows, row_adapters, private_rows, first_only),
                adapters,
                depth,
                keep_layers=any(head.keeps_layers for head in heads),
                cache=cache,
                prefixes=self._usable_prefixes(depth),
            ).computed()
            yield list(zip(heads, done.hidden(readings), strict=True))

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
        self, texts: object, task: str, *, private: bool = False
    ) -> list[Prediction]: ...
    @overload
    def predict(
        self, texts: object, task: Sequence[str], *, private: bool = False
    ) -> list[dict[str, Prediction]]: ...
    def predict(
        self, texts: object, task: str | Sequence[str], *, private: bool = False
    ) -> list[Prediction] | list[dict[str, Prediction]]:
        """Answers texts.

        Args:
            texts: A text, a pair as a tuple, a mapping or an example of the task's head; or a list
                of these.
            task: A task's name; or several, each of which answers every text, sharing what work
                they have in common.
            private: Whether the model's caches must not know of these texts, as of those of
                `private_tasks`.

        Returns:
            One answer a text; for several tasks, one dict a text with each task's answer.

        Raises:
            UnknownTaskError: There is no such task.
            InputError: A text is empty, or too long for a task that refuses such; no task is named.
        """
        names = _task_names(task)
        values = as_list(texts)
        questions = self.questions(dict.fromkeys(names, values))
        answers = self.answer(questions, private=private)
        if isinstance(task, str):
            return answers[task]
        return [
            dict(zip(names, found, strict=True)) for found in zip(*answers.values(), strict=True)
        ]

    def questions(self, examples: Mapping[str, Sequence[object]]) -> list[Question]:
        """Each task's own examples, read as its head reads them.

        Args:
            examples: For each task's name a text, a pair, a mapping or an example of its head; any
                number of them.

        Raises:
            UnknownTaskError: There is no such task.
            InputError: An example cannot be used; the error has its place.
        """
        tasks = [self.task(name) for name in examples]
        tokenizer = self._own_tokenizer()
        if len(tasks) > 1:  # often they read the same texts
            tokenizer = tokenizer.remembering()
        return [
            self._question(task, values, tokenizer)
            for task, values in zip(tasks, examples.values(), strict=True)
        ]

    def answer(
        self, questions: Sequence[Question], *, private: bool = False
    ) -> dict[str, list[Prediction]]:
        """Each task's answers, in the order of its examples; work in common is shared.

        Args:
            questions: The tasks and their encoded examples.
            private: As `predict` takes it.
        """
        computing = Computing(
            self.compute,
            self.prefetch_adapters,
            GPU_BATCH_TOKENS if self.device.type == "cuda" else BATCH_TOKENS,
            private,
        )
        cache = self.result_cache_for(private=private)
        if cache is None:
            answers = answer(questions, computing)
        else:
            answers = cached_answers(
                questions,
                AnswerKeys(self, cache.digests),
                cache,
                [question.task.name in self.private_tasks for question in questions],
                partial(answers_at, questions=questions, computing=computing),
            )
        return {
            question.task.name: found for question, found in zip(questions, answers, strict=True)
        }

    def text_tokenizer(self, task: Task) -> Tokenizer:
        """The tokenizer under a task's text settings.

        Raises:
            InputError: The checkpoint came without a tokenizer.
        """
        return self._own_tokenizer().with_settings(task.text)

    def _own_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise InputError(
                f"the backbone {self.backbone.name!r} came without a tokenizer and takes tensors "
                "only."
            )
        return self.tokenizer

    def _row_heads(self, head: PerRow | Unset, n_rows: int) -> tuple[str | None, ...]:
        if head is UNSET:
            names = list(self._heads.view)
            if len(names) > 1:
                raise InputError(
                    f"this model has several heads, {', '.join(map(repr, sorted(names)))}; name "
                    "one with head=..., or None for hidden states only."
                )
            head = names[0] if names else None
        return names_per_row(head, n_rows, "head")

    def _row_adapters(
        self, adapters: SetupPerRow | Unset, row_heads: Sequence[str | None]
    ) -> tuple[AdapterSetup, ...]:
        if adapters is not UNSET:
            return setups_per_row(adapters, len(row_heads), "adapter_names")
        own = {head: None if head is None else self._own_adapter(head) for head in set(row_heads)}
        return tuple(own[head] for head in row_heads)

    def _penalties(self, setups: Iterable[AdapterSetup]) -> tuple[Tensor, ...]:
        """What the adapters of some rows add to the loss, each once."""
        adapters: dict[str, Adapter] = {}
        for setup in dict.fromkeys(setups):
            adapters |= self.adapters_of(setup)
        found = [adapter.penalty() for adapter in adapters.values()]
        return tuple(penalty for penalty in found if penalty is not None)

    def _question(self, task: Task, values: Sequence[object], tokenizer: Tokenizer) -> Question:
        head = self._heads.find(task.head)
        parts = [head, *self.adapters_of(task.adapter).values()]
        if any(part.training for part in parts):
            raise InputError(
                f"the task {task.name!r} is in training mode, where dropout makes answers random; "
                "call model.eval() first."
            )
        examples = [_parsed(head, value, number) for number, value in enumerate(values)]
        own = tokenizer.with_settings(task.text)
        return Question(task, head, encoded_by(head, examples, own))


def _parsed(head: Head, value: object, number: int) -> Example:
    try:
        return head.parse(value)
    except InputError as error:
        raise InputError(error.reason, index=number) from None


def _task_names(task: str | Sequence[str]) -> list[str]:
    """The names of the tasks asked for, each once."""
    if isinstance(task, str):
        return [task]
    try:
        names = list(dict.fromkeys(task))
    except TypeError:
        names = []
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"task must be a task's name or a list of some, not {shown(task)}.")
    return names
