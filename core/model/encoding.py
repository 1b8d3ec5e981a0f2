"""One pass of rows through the encoder, under what acts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from polyhead.composition import Acting, AdapterSetup, acting_on_rows
from polyhead.contracts import SideAdapter
from polyhead.model.answer_keys import encoder_context
from polyhead.model.encoder_pass import EncoderPass, side_adapters
from polyhead.model.padded import packed_batch
from polyhead.model.prefixed_pass import PrefixedPass
from polyhead.routing import Entry, Plan, Route, entry_of

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.batch import Row
    from polyhead.caches import PrefixCache
    from polyhead.composition import AdapterTable
    from polyhead.encoder import Encoder, EncoderOutput
    from polyhead.model.activation_cache import ActivationCache

__all__ = ["AskedRows", "Encoding"]


@dataclass(frozen=True)
class AskedRows:
    """The rows that a call asks for.

    Attributes:
        rows: Their tokens.
        setups: What acts on each: an adapter, several put together, or None.
        private: For each whether caches must not know of it.
        first_only: For each whether nothing but its first token's last hidden state is read.
        embeds: What stands in place of word embeddings, or None; see `PaddedBatch.embeds`.
    """

    rows: Sequence[Row]
    setups: Sequence[AdapterSetup]
    private: Sequence[bool]
    first_only: Sequence[bool]
    embeds: Tensor | None = None


@dataclass(frozen=True)
class Encoding:
    """How rows go through the encoder.

    Attributes:
        encoder: The model's.
        asked: The rows.
        adapters: The model's, those of the rows where the encoder is.
        depth: How many layers are computed.
        keep_layers: Whether heads read others than the last of these.
        keep_attentions: Whether the attention weights are read.
        head_mask: As `Encoder.forward` takes it.
        cache: All layers' hidden states, found there and kept there; or None.
        prefixes: The lowest layers', likewise; used where no other layers are read.
    """

    encoder: Encoder
    asked: AskedRows
    adapters: AdapterTable
    depth: int
    keep_layers: bool
    keep_attentions: bool = False
    head_mask: Tensor | None = None
    cache: ActivationCache | None = None
    prefixes: PrefixCache | None = None

    def computed(self) -> EncoderPass:
        """What the encoder makes of the rows.

        Raises:
            UnknownAdapterError: An adapter is not there.
            ConfigError: Several cannot be put together.
            InputError: A row does not fit the encoder.
        """
        plan, output = self._output()
        inverses = Route(plan, self._acting).inverses
        embeddings = self.encoder.word_embeddings.weight
        return EncoderPass(plan, output, self.asked.setups, self._sides, embeddings, inverses)

    def _output(self) -> tuple[Plan, EncoderOutput]:
        """The hidden states, and where in them each row lies."""
        is_plain = self._may_share and not self._keeps_layers and self.head_mask is None
        if self.prefixes is not None and is_plain:
            context = encoder_context(self.encoder, self.prefixes.digests)
            prefixed = PrefixedPass(self.prefixes, context, self._plan, self._run, self._entry)
            return prefixed.output(self._inside, self.depth, self.asked.private)
        plan = self._plan(range(len(self.asked.rows)))
        if self.cache is None:
            return plan, self._run(plan, self.depth)
        return plan, self.cache.output(plan, self.depth, self._run)

    def _plan(self, numbers: Sequence[int]) -> Plan:
        """The plan of some of the rows."""
        asked = self.asked
        return Plan.of(
            [asked.rows[number] for number in numbers],
            [self._inside[number] for number in numbers],
            entry=self._entry if self._may_share else None,
            sort=lambda setup: self._acting[setup].sort,
            first_only=[
                asked.first_only[number] and self._is_per_token(self._inside[number])
                for number in numbers
            ],
        )

    def _run(
        self, plan: Plan, depth: int, start: tuple[int, Tensor] | None = None
    ) -> EncoderOutput:
        """Runs a plan's rows through the encoder.

        Args:
            plan: The rows.
            depth: How many layers are computed.
            start: As `Encoder.forward` takes it.
        """
        route = Route(plan, self._acting)
        output: EncoderOutput = self.encoder(
            packed_batch(plan, self.asked.embeds, self.encoder.word_embeddings.weight),
            route,
            embeddings_tap=route.embeddings,
            leaving_tap=route.leaving,
            forks=route.forks,
            keep_layers=self._keeps_layers,
            keep_attentions=self.keep_attentions,
            head_mask=self.head_mask,
            depth=depth,
            start=start,
            first_only=plan.first_only,
        )
        return output

    @cached_property
    def _acting(self) -> Mapping[AdapterSetup, Acting]:
        return acting_on_rows(self.asked.setups, self.adapters)

    @cached_property
    def _sides(self) -> Mapping[AdapterSetup, SideAdapter]:
        return side_adapters(self._acting)

    @cached_property
    def _inside(self) -> Sequence[AdapterSetup]:
        """What acts on each row inside the encoder: nothing where it only reads."""
        return [None if setup in self._sides else setup for setup in self.asked.setups]

    @property
    def _keeps_layers(self) -> bool:
        return self.keep_layers or bool(self._sides) or self.cache is not None

    @property
    def _may_share(self) -> bool:
        """Whether what several adapters of a text have in common may be computed once."""
        return self.asked.embeds is None and not self.keep_attentions

    @cached_property
    def _entries(self) -> dict[AdapterSetup, Entry | None]:
        return {}

    def _entry(self, setup: AdapterSetup) -> Entry | None:
        """Where a setup first acts; None where it nowhere does. Looked up once for each."""
        if setup not in self._entries:
            self._entries[setup] = entry_of(self._acting.get(setup), self.depth)
        return self._entries[setup]

    def _is_per_token(self, setup: AdapterSetup) -> bool:
        return setup is None or self._acting[setup].is_per_token
