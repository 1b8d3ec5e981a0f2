from typing import Literal

import pytest
import torch

from polyhead.contracts import Recipe
from polyhead.errors import ConfigError
from polyhead.heads import EmbeddingHead, EmbeddingHeadConfig
from polyhead.testing.meta_device import check_on_meta


def test_options_and_examples_that_make_no_config_are_found(good_head, fails):
    class Refusing(good_head):
        @classmethod
        def configure(cls, options, examples):
            raise ConfigError("unknown field 'labels'")

    class Guessing(good_head):
        @classmethod
        def configure(cls, options, examples):
            return {**options, "labels": ("no", "yes")}

    name = "test_examples_configure_it"
    fails(Refusing, name, r"Refusing.configure refuses the options {.*'labels': \['no', 'yes'\]")
    fails(Guessing, name, "Guessing.configure makes a dict; make a OwnConfig")


def test_a_recipe_with_an_adapter_that_is_not_there_is_found(good_head, fails):
    class Broken(good_head):
        recipe = Recipe(adapter="seq_nb")

    match = "the recipe of Broken names the adapter 'seq_nb'. It raised UnknownKindError"
    fails(Broken, "test_its_recipe_can_be_followed", match)


READS = "test_it_reads_the_layer_that_its_config_names"


def test_another_layer_than_the_one_that_is_named_is_found(good_head, fails):
    class Broken(good_head):
        def select(self, hidden):
            return hidden.with_tokens(torch.ones_like(hidden.tokens))

    fails(Broken, READS, "Broken computes the same with hidden='last' and hidden=0; read `hidden`")


def test_a_failure_with_another_layer_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return self.out(hidden.layers[self.config.hidden].mean())

    fails(Broken, READS, "Broken fails with hidden='last'; hand config and shape on to Head")


def test_a_mix_that_is_not_made_is_found(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config.model_copy(update={"hidden": "last"}), shape)
            self.config = config

    match = "Broken has no mix of layers with hidden='mix'; hand the config on to Head.__init__"
    fails(Broken, READS, match)


def test_a_head_that_reads_all_layers_chooses_by_itself(good_head, skips):
    class OnlyLast(good_head.Config):
        hidden: Literal["last"] = "last"

    class Fixed(good_head):
        Config = OnlyLast

    skips(Fixed, READS, "it chooses by itself which layers it reads")


def test_hidden_states_that_are_detached_are_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden.with_tokens(hidden.tokens.detach()))

    match = "the loss of Broken has no gradient for the adapter of its task; compute from the"
    fails(Broken, "test_gradients_reach_the_adapter_below", match)


def test_a_loss_that_rises_in_training_is_found(good_head, fails):
    class Broken(good_head):
        def loss(self, output, targets):
            loss = super().loss(output, targets)
            return 2 * loss.detach() - loss

    match = "passes over the examples change the loss of Broken from .* Look for a wrong sign"
    fails(Broken, "test_training_on_the_bare_encoder_lowers_the_loss", match)


def test_tensors_left_on_the_cpu_are_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden) + torch.ones(hidden.n_rows, 2)

    class Fetching(good_head):
        def forward(self, hidden):
            super().forward(hidden)
            return torch.zeros(hidden.n_rows, 2)

    for broken in (Broken, Fetching):
        match = f"{broken.__name__}.forward makes a tensor on the CPU whatever device it is given"
        fails(broken, "test_it_makes_tensors_where_the_hidden_states_are", match)


def test_what_reads_values_is_left_to_a_gpu(good_head, skips):
    class Reading(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return logits if float(logits.sum()) > 0 else 2 * logits

    name = "test_it_makes_tensors_where_the_hidden_states_are"
    skips(Reading, name, "only a GPU can tell")


def test_checks_that_do_not_apply_are_skipped_with_a_reason(good_head, skips):
    class OwnConfig(EmbeddingHeadConfig):
        pass

    class Bare(EmbeddingHead):
        kind = "under_test"
        Config = OwnConfig

    pairs = [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]
    name = "test_training_on_the_bare_encoder_lowers_the_loss"
    skips(Bare, name, "it has no weights", config=OwnConfig(), examples=pairs)
    config = good_head.Config(labels=("no", "yes"), hidden=0)
    name = "test_gradients_reach_the_adapter_below"
    skips(good_head, name, "it reads the embeddings, below every adapter", config=config)


def test_another_error_on_the_meta_device_is_not_hidden():
    def compute():
        raise KeyError("no device")

    with pytest.raises(KeyError):
        check_on_meta(compute, "it")


FIRST = "test_it_reads_first_tokens_alone_if_it_says_so"


def test_a_head_that_reads_more_than_it_says_is_found(good_head, fails, check_head):
    class Broken(good_head):
        reads_first_only = True

    class Failing(Broken):
        reads_first_only = True

        def forward(self, hidden):
            return self.out(hidden.tokens[hidden.n_rows].expand(hidden.n_rows, -1))

    match = "has reads_first_only and reads more than `hidden.cls` of the last layer; leave"
    fails(Broken, FIRST, match)
    fails(Failing, FIRST, match)
    own = good_head.Config(labels=("no", "yes"), layers=1, pooling="cls")
    check_head(Broken, FIRST, config=own)
    layers = good_head.Config(labels=("no", "yes"), layers=1, pooling="cls", hidden="mix")
    fails(Broken, FIRST, match, config=layers)
