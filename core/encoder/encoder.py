"""The encoder: token ids in, hidden states out, packed throughout."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyhead.contracts import NO_TAPS, EmbeddingsTap, LayerTaps, Projection
from polyhead.encoder.attention import Attend, DenseAttention
from polyhead.encoder.auto_attention import AutoAttention
from polyhead.encoder.eager_attention import AttentionMaps, EagerAttention
from polyhead.encoder.freed_memory import keep_freed_memory
from polyhead.encoder.layer import EncoderLayer
from polyhead.encoder.length_groups import LengthGroups
from polyhead.encoder.passing_rows import NO_FORKS, Forks, PassingRows
from polyhead.encoder.precision import check_precision, reduced_linear
from polyhead.encoder.row_ends import RowEnds
from polyhead.encoder.sinusoids import sinusoids
from polyhead.encoder.step_graphs import StepGraphs
from polyhead.encoder.tensor_bytes import add_bytes
from polyhead.encoder.varlen_attention import (
    Kernel,
    VarlenAttention,
    fitting_kernel,
    flash_kernel,
)
from polyhead.errors import ConfigError, InputError

if TYPE_CHECKING:
    from polyhead.batch import Packed, Packing
    from polyhead.encoder.config import DistilBertConfig
    from polyhead.encoder.config_types import AttentionName
    from polyhead.encoder.precision import Precision

__all__ = ["Encoder", "EncoderOutput"]


@dataclass(frozen=True)
class EncoderOutput:
    """What one pass computed.

    Attributes:
        last: Hidden states of the last layer that was computed. Shape: (N, D).
        layers: The embeddings and every computed layer's hidden states, each (N, D), or None when
            they were not asked for.
        attentions: The attention weights of every computed layer, or None likewise.
        packing: Where each row lies in `last`, if tokens were left out; else None.
    """

    last: Tensor
    layers: tuple[Tensor, ...] | None
    attentions: tuple[AttentionMaps, ...] | None = None
    packing: Packing | None = None


class Encoder(nn.Module):
    """DistilBERT, frozen unless it is asked to be trained.

    Frozen, its parameters take no gradient and it has no training mode. Unfrozen, it has the
    dropout of its configuration while in training mode.

    Source: Sanh et al. 2019, arXiv:1910.01108; parity is tested against transformers.

    Attributes:
        config: Its sizes and constants, a copy of what it was made from.
        is_frozen: Whether it is.
        precision: What its products are computed in: "int8" or "bfloat16" where `reduce` was
            called, else its weights' own type.
    """

    def __init__(self, config: DistilBertConfig, *, is_frozen: bool = True) -> None:
        """Makes an encoder with fresh random weights.

        Args:
            config: Its sizes.
            is_frozen: Whether to make it frozen.

        Raises:
            ConfigError: The sizes do not go together, or the attention backend cannot run here.
        """
        super().__init__()
        self.config = config.changed()
        self.word_embeddings = nn.Embedding(
            config.vocab_size, config.dim, padding_idx=_padding_of(config)
        )
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))
        self._initialise()
        keep_freed_memory()
        self._kernel = _kernel_of(config.attn_implementation)
        self._graphs: StepGraphs | None = None
        self._reduced: Precision | None = None
        self._origin: _Origin | None = None
        self.freeze() if is_frozen else self.unfreeze()

    def freeze(self) -> None:
        """Takes all parameters out of training."""
        self.is_frozen = True
        self.requires_grad_(requires_grad=False)
        self.eval()

    def unfreeze(self) -> None:
        """Puts all parameters into training, but for sinusoidal position embeddings.

        Raises:
            ConfigError: Its weights were reduced.
        """
        if self._reduced is not None:
            raise ConfigError(
                f"an encoder of precision {self._reduced!r} cannot be trained itself, only "
                "adapters and heads on it; load it in float32."
            )
        self.is_frozen = False
        self.requires_grad_(requires_grad=True)
        if self.config.sinusoidal_pos_embds:
            self.position_embeddings.requires_grad_(requires_grad=False)
        self.train()

    @property
    def precision(self) -> str:
        """See the class."""
        return self._reduced or str(self.norm.weight.dtype).removeprefix("torch.")

    @property
    def is_reduced(self) -> bool:
        """Whether its weights are kept in fewer bits than it computes with between them."""
        return self._reduced is not None

    def reduce(self, precision: Precision) -> None:
        """Keeps the weights of its linear layers in fewer bits from now on, on a CPU.

        Its fingerprint stays, so what was trained on it before still fits, and the other way round.

        Args:
            precision: "int8" or "bfloat16"; "float32" leaves it as it is.

        Raises:
            ConfigError: This CPU cannot compute so, or the encoder is not frozen, not in float32 or
                reduced already.
        """
        device = self.norm.weight.device
        check_precision(precision, device)
        if precision == "float32":
            return
        if device.type != "cpu":
            raise ConfigError(
                f"an encoder is reduced on a CPU, and this one is on {device.type}; move it with "
                f".to('cpu'), or to {precision} there with .to(torch.{precision})."
            )
        if not self.is_frozen or self.precision != "float32":
            raise ConfigError(
                f"only a frozen encoder in float32 can be reduced to {precision!r}; this one is in "
                f"{self.precision}{'' if self.is_frozen else ' and in training'}."
            )
        whole = self.fingerprint()
        for layer in self.layers:
            layer.replace_linears(reduced_linear(precision))  # type: ignore[operator]
        self._reduced = precision
        self._origin = _Origin(whole, self._digest())

    def train(self, mode: bool = True) -> Encoder:
        """Sets the mode; a frozen encoder has one, and computes the same in training and in use."""
        return super().train(mode and not self.is_frozen)

    def set_attn_implementation(self, name: AttentionName | None) -> None:
        """Chooses how attention is computed; the answers are the same.

        Whatever is chosen, attention weights and head masks are computed by "eager". Attention
        dropout is computed by "sdpa" in place of "flash_attention_2", which has none.

        Args:
            name: "sdpa", "eager", or "flash_attention_2", on a GPU and in half precision only; None
                for the latter where the GPU and torch have it, in half precision, else "sdpa".

        Raises:
            ConfigError: It is none of these, or cannot run here.
        """
        self.config.attn_implementation = name
        self._kernel = _kernel_of(name)

    def capture_graphs(self, *, max_buckets: int = 32, max_tokens: int = 4096) -> None:
        """Records the frozen layers' steps on a GPU from now on, to start them as a whole.

        Batches of few tokens are computed faster so: on a GPU, in half precision, without gradients
        and with flash attention. Others are computed as without it. The first batch of a size takes
        longer, and each size keeps memory of its own.

        Args:
            max_buckets: For how many sizes steps are kept; the longest unused give way to others.
            max_tokens: Of the largest batch that is computed so.

        Raises:
            ConfigError: A number is no whole one above 0.
        """
        self.release_graphs()
        self._graphs = StepGraphs(max_buckets, max_tokens)

    def release_graphs(self) -> None:
        """Takes `capture_graphs` back, and frees the memory."""
        graphs, self._graphs = self._graphs, None
        if graphs is not None:
            graphs.forget()

    def forward(
        self,
        packed: Packed,
        taps: Callable[[int], LayerTaps] = lambda _: NO_TAPS,
        *,
        embeddings_tap: EmbeddingsTap | None = None,
        leaving_tap: EmbeddingsTap | None = None,
        forks: Forks = NO_FORKS,
        keep_layers: bool = False,
        keep_attentions: bool = False,
        head_mask: Tensor | None = None,
        depth: int | None = None,
        start: tuple[int, Tensor] | None = None,
        first_only: Sequence[bool] = (),
    ) -> EncoderOutput:
        """Hidden states of the packed rows.

        Layers below the first tap that has parameters are outside autograd's graph by themselves
        when the encoder is frozen, since nothing in them takes a gradient.

        Args:
            packed: The rows.
            taps: What acts in each layer, by the layer's number.
            embeddings_tap: What acts between the embeddings and the first layer.
            leaving_tap: The same for the rows that leave, where they are others than those that
                enter; `embeddings_tap` when None.
            forks: Where rows part that were one so far. The attention weights cannot be kept then.
            keep_layers: Whether to return every layer's hidden states.
            keep_attentions: Whether to return the attention weights.
            head_mask: For each attention head what its weights are multiplied with: 1 leaves it, 0
                takes it out. Shape: (H,) for all layers, or (L, H).
            depth: How many layers to compute, from the lowest; all when None.
            start: How many of these were computed before, and what the last of them made of the
                rows, (N, D). Neither may all layers be kept then, nor the embeddings be tapped.
            first_only: For each row that leaves whether only the first token of what the last layer
                makes of it is read, and what taps make of a token there follows from that token
                alone. Its other tokens are then left out where that saves work.

        Raises:
            InputError: A token id or a position is out of range, or embeddings or `head_mask` have
                another shape.
        """
        self._check(packed)
        self._check_place()
        first, hidden = (0, self._embedded(packed)) if start is None else start
        packing = packed.packing
        if embeddings_tap is not None:
            hidden, packing = embeddings_tap.enter(hidden, packing)
        maps: list[AttentionMaps] | None = [] if keep_attentions else None
        is_tapped = leaving_tap is not None or embeddings_tap is not None
        may_end = not (keep_layers or keep_attentions or is_tapped)
        ends = self._ends(first_only, depth) if may_end else None
        attend_of = partial(self._attends, head_mask=head_mask, maps=maps)
        rows = PassingRows(packing, attend_of, forks, ends)
        if keep_layers:
            rows.keep(hidden)
        compute = self._layer_step(hidden, is_plain=head_mask is None and maps is None)
        for number, layer in enumerate(islice(self.layers, first, depth), first):
            rows.enter(number)
            hidden = compute(layer, hidden, rows, taps(number))
            if keep_layers:
                rows.keep(hidden)
        leave: Callable[[Tensor], Tensor] = _same
        leaving_tap = embeddings_tap if leaving_tap is None else leaving_tap
        if leaving_tap is not None:
            leave = partial(_left, leaving_tap, rows.packing)
        if maps is not None and packing != packed.packing:
            own = leave(torch.arange(packing.n_tokens).unsqueeze(1)).squeeze(1)
            maps = [found.of_tokens(own, packed.packing) for found in maps]
        kept = tuple(leave(layer) for layer in rows.kept)
        return EncoderOutput(
            kept[-1] if keep_layers else leave(hidden),
            kept if keep_layers else None,
            None if maps is None else tuple(maps),
            None if ends is None else rows.packing,
        )

    def projection(self, layer: int, site: str) -> Projection:
        """One frozen linear layer.

        Args:
            layer: Counted from 0.
            site: "q", "k", "v", "out", "lin1" or "lin2".
        """
        found: EncoderLayer = self.layers[layer]  # type: ignore[assignment]  # what it holds
        return found.projection(site)

    def fingerprint(self) -> str:
        """A digest of what the encoder computes: its weights and the constants they are used with.

        Returns:
            The hex SHA-256 over the canonical weights (Q, K and V as one matrix; a BERT checkpoint
            folded), so it does not depend on the file format they came from, nor on a precision
            that it was reduced to.
        """
        own = self._digest()
        return self._origin.whole if self._origin and own == self._origin.reduced else own

    def _digest(self) -> str:
        """A digest of the constants and weights as they are."""
        digest = hashlib.sha256()
        activation = self.config.activation
        if not isinstance(activation, str):
            activation = getattr(activation, "__qualname__", repr(activation))
        constants = (self.config.n_heads, activation, self.config.layer_norm_eps)
        digest.update(repr(constants).encode())
        for name, weight in sorted(self.state_dict().items()):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            add_bytes(digest, weight)
        return digest.hexdigest()

    def _embedded(self, packed: Packed) -> Tensor:
        """What the first layer reads. Shape: (N, D)."""
        words = self.word_embeddings(packed.ids) if packed.embeds is None else packed.embeds
        hidden: Tensor = self.norm(words + self.position_embeddings(packed.positions))
        return functional.dropout(hidden, self.config.dropout) if self.training else hidden

    def _attends(
        self, packing: Packing, *, head_mask: Tensor | None, maps: list[AttentionMaps] | None
    ) -> Callable[[int], Attend]:
        """What computes the attention of some rows in each layer."""
        is_plain = head_mask is None and maps is None
        is_dropping = self.training and self.config.attention_dropout > 0
        chosen, device = self.config.attn_implementation, self.norm.weight.device
        if self._kernel is not None and not is_dropping and is_plain:
            varlen = VarlenAttention(packing, self._kernel)
            return lambda _: varlen
        if chosen is None and device.type == "cuda" and is_plain:
            auto = AutoAttention(packing, device)
            return lambda _: auto
        groups = LengthGroups.of(packing, device)
        if is_plain and chosen != "eager":
            dense = DenseAttention(groups)
            return lambda _: dense
        masks = [None] * len(self.layers) if head_mask is None else self._by_layer(head_mask)
        return lambda layer: EagerAttention(groups, masks[layer], maps)

    def _ends(self, first_only: Sequence[bool], depth: int | None) -> RowEnds | None:
        """How rows end; None where all of their tokens are computed to the end."""
        if self._graphs is not None or depth == 0 or not any(first_only):
            return None  # recorded steps are of all tokens
        return RowEnds((len(self.layers) if depth is None else depth) - 1, tuple(first_only))

    def _layer_step(self, hidden: Tensor, *, is_plain: bool) -> _Compute:
        """How each layer is computed.

        Args:
            hidden: What the first reads.
            is_plain: Whether neither attention weights nor a head mask are asked for.
        """
        graphs = self._graphs
        if graphs is None or not (is_plain and self.is_frozen and _can_replay(hidden)):
            return _computed
        kernel = self._kernel
        if self.config.attn_implementation is None:
            width = self.config.dim // self.config.n_heads
            kernel = fitting_kernel(hidden.device, hidden.dtype, width)
        is_ours = isinstance(self.config.activation, str)  # a user's could not be recorded, perhaps
        return partial(graphs.layer, kernel) if kernel is not None and is_ours else _computed

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        if self._graphs is not None:
            self._graphs.forget()  # the weights move
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _by_layer(self, head_mask: Tensor) -> Sequence[Tensor]:
        """A mask of the heads for each layer. Shape: (H,) or (L, H) -> L of (H,)."""
        layers, heads = self.config.n_layers, self.config.n_heads
        form: object = type(head_mask).__name__
        if isinstance(head_mask, Tensor):
            form = tuple(head_mask.shape)
        if form not in {(heads,), (layers, heads)}:
            raise InputError(
                f"head_mask must have the shape ({heads},), a number for each head, or "
                f"({layers}, {heads}), a row for each layer, not {form}."
            )
        return head_mask.to(self.norm.weight).expand(layers, heads).unbind()

    def _check(self, packed: Packed) -> None:
        if packed.positions.numel() == 0:
            return
        if packed.embeds is None:
            low, high, _ = packed.extremes
            size = self.word_embeddings.num_embeddings
            if low < 0 or high >= size:
                wrong = low if low < 0 else high
                raise InputError(f"token id {wrong} is outside the vocabulary, 0 to {size - 1}.")
        elif packed.embeds.shape[1:] != (self.config.dim,):
            raise InputError(
                f"embeddings of width {packed.embeds.shape[-1]} are given, and the encoder has "
                f"width {self.config.dim}."
            )
        last = packed.extremes.last_position
        longest = self.position_embeddings.num_embeddings
        if last >= longest:
            raise InputError(
                f"a row of {last + 1} positions is longer than the encoder's {longest}; shorten it "
                "or lower max_length."
            )

    def _check_place(self) -> None:
        weight = self.norm.weight
        if self.is_reduced and (weight.dtype, weight.device.type) != (torch.float32, "cpu"):
            raise ConfigError(
                f"an encoder of precision {self._reduced!r} computes on a CPU, between tensors of "
                f"float32, and was moved to {weight.device.type} in {str(weight.dtype)[6:]}; load "
                "it there in the precision you want."
            )

    def _initialise(self) -> None:
        spread = self.config.initializer_range
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=spread)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=spread)
        with torch.no_grad():
            if self.word_embeddings.padding_idx is not None:
                self.word_embeddings.weight[self.word_embeddings.padding_idx] = 0
            if self.config.sinusoidal_pos_embds:
                fixed = sinusoids(self.config.max_position_embeddings, self.config.dim)
                self.position_embeddings.weight.copy_(fixed)


_Compute = Callable[[nn.Module, Tensor, PassingRows, LayerTaps], Tensor]


def _computed(layer: nn.Module, hidden: Tensor, rows: PassingRows, taps: LayerTaps) -> Tensor:
    """What a layer makes of hidden states, step by step."""
    output: Tensor = layer(hidden, rows, taps)
    return output


def _can_replay(hidden: Tensor) -> bool:
    """Whether recorded steps may compute these hidden states now."""
    return (
        hidden.is_cuda
        and hidden.dtype in (torch.float16, torch.bfloat16)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cuda")
        and not torch.cuda.is_current_stream_capturing()
    )


def _same(hidden: Tensor) -> Tensor:
    return hidden


def _left(tap: EmbeddingsTap, packing: Packing, hidden: Tensor) -> Tensor:
    return tap.leave(hidden, packing)[0]


def _kernel_of(name: AttentionName | None) -> Kernel | None:
    return flash_kernel() if name == "flash_attention_2" else None


def _padding_of(config: DistilBertConfig) -> int | None:
    """The id whose embedding starts as 0 and is never trained, as in transformers."""
    padding = config.pad_token_id
    return padding if padding is not None and padding < config.vocab_size else None


class _Origin(NamedTuple):
    """The fingerprint of an encoder before it was reduced, and what it was right behind that."""

    whole: str
    reduced: str
