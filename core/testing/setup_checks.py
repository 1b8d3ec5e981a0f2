"""Checks of a head at work: configured by examples, on an adapter or none, as it recommends."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest import SkipTest

import torch
from pydantic import ValidationError

from polyhead.batch import Packing
from polyhead.registry import registry
from polyhead.testing.bench import SUBJECT
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.gradient_checks import backward
from polyhead.testing.head_case import HeadCase
from polyhead.testing.meta_device import check_on_meta
from polyhead.testing.outputs import answers_of, check_same, parts_of
from polyhead.testing.train_checks import TrainChecks, check_learns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["SetupChecks"]


class SetupChecks(HeadCase, TrainChecks):
    """What `polyhead train` needs of a head."""

    def test_examples_configure_it(self, config: Config) -> None:
        """`configure` completes what the user gave, out of the training examples."""
        options = config.model_dump(mode="json", exclude_defaults=True)
        with advising(f"{self.name()}.configure refuses the options {options} with the examples."):
            made = self.head.configure(options, self.labelled())
        require(
            isinstance(made, self.head.Config),
            f"{self.name()}.configure makes a {type(made).__name__}; make a "
            f"{self.head.Config.__name__}.",
        )

    def test_its_recipe_can_be_followed(self) -> None:
        """The adapter it recommends is there."""
        adapter = self.head.recipe.adapter
        if adapter is None:
            return
        with advising(f"the recipe of {self.name()} names the adapter {adapter!r}."):
            registry().adapter_config(adapter)

    def test_it_reads_the_layer_that_its_config_names(self, config: Config) -> None:
        """Every head has `hidden`: the last layer, another one, or a learned mix of all."""
        outputs: dict[object, Tensor] = {}
        for source in ("last", 0, "mix"):
            fields = {**config.model_dump(mode="json"), "hidden": source}
            with suppress(ValidationError):
                named = type(config).model_validate(fields)
                bench = self.bench(named)
                with advising(
                    f"{self.name()} fails with hidden={source!r}; hand config and shape on to "
                    "Head.__init__, and read `hidden` as `forward` is given it."
                ):
                    outputs[source] = bench.loss(bench.lesson())
                require(
                    source != "mix" or bench.head.mix is not None,
                    f"{self.name()} has no mix of layers with hidden='mix'; hand the config on to "
                    "Head.__init__ as it is, which makes it.",
                )
        if not {"last", 0} <= outputs.keys() or self.head.reads_layers:
            raise SkipTest("it chooses by itself which layers it reads")
        require(
            not torch.equal(outputs["last"], outputs[0]),
            f"{self.name()} computes the same with hidden='last' and hidden=0; read `hidden` as "
            "`forward` is given it, and leave `select` as it is.",
        )

    def test_it_reads_first_tokens_alone_if_it_says_so(self, config: Config) -> None:
        """What the encoder leaves out then must be nothing that it reads."""
        bench = self.bench(config)
        if not bench.head.reads_first_only:
            raise SkipTest("it does not say so")
        encoded = bench.encoded(bench.questions)
        whole = bench.hidden(encoded)
        first = Packing((1,) * whole.n_rows)
        message = (
            f"{self.name()} has reads_first_only and reads more than `hidden.cls` of the last "
            "layer; leave `reads_first_only` out."
        )
        require(not bench.head.keeps_layers, message)
        with torch.inference_mode(), advising(message):
            alone = bench.head(replace(whole, batch=whole.cls, batch_packing=first))
        for found, expected in zip(
            answers_of(bench.head, alone, encoded),
            answers_of(bench.head, bench.head(whole), encoded),
            strict=True,
        ):
            check_same(found, expected, message)

    def test_gradients_reach_the_adapter_below(self, config: Config) -> None:
        """A task trains its head and, through it, its adapter."""
        bench = self.bench(config)
        if bench.head.depth == 0:
            raise SkipTest("it reads the embeddings, below every adapter")
        backward(bench, self.name())
        grads = [weight.grad for weight in bench.model.adapters[SUBJECT].parameters()]
        require(
            any(grad is not None and bool(grad.any()) for grad in grads),
            f"the loss of {self.name()} has no gradient for the adapter of its task; compute from "
            "the hidden states without detach, no_grad or argmax on the way.",
        )

    def test_training_on_the_bare_encoder_lowers_the_loss(self, config: Config) -> None:
        """A few steps on the examples, without adapter."""
        bench = self.bench(config, is_bare=True)
        if not list(bench.head.parameters()):
            raise SkipTest("it has no weights: it is the adapter that learns")
        check_learns(bench, self.training, self.name())

    def test_it_makes_tensors_where_the_hidden_states_are(self, config: Config) -> None:
        """As on a GPU, where a tensor left on the CPU is an error."""
        bench = self.bench(config)
        hidden = bench.hidden(bench.encoded(bench.questions[:2]))
        bench.head.to("meta")
        on_meta = replace(
            hidden,
            batch=hidden.batch.to("meta"),
            batch_layers=None
            if hidden.batch_layers is None
            else tuple(layer.to("meta") for layer in hidden.batch_layers),
            word_embeddings=None
            if hidden.word_embeddings is None
            else hidden.word_embeddings.to("meta"),
        )

        def compute() -> Iterator[Tensor]:
            with torch.inference_mode():
                yield from parts_of(bench.head, bench.head(on_meta)).values()

        check_on_meta(compute, f"{self.name()}.forward")
