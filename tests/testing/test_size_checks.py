import torch
from torch import nn

from polyhead.errors import ConfigError

LENGTHS = "test_rows_of_any_length_are_computed"
EMPTY = "test_an_empty_batch_is_no_error"
OTHER = "test_it_fits_encoders_of_other_sizes"


def test_nan_for_a_single_token_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            far = (hidden.tokens - hidden.mean()[hidden.packing.row_of_token]).square()
            n_free = torch.tensor(hidden.packing.lengths).unsqueeze(1) - 1
            return self.out(hidden.packing.mean(far) / n_free)

    match = "Broken computes NaN or infinity for a row of a single token"
    fails(Broken, LENGTHS, match)


def test_a_failure_on_a_row_without_words_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            words = [part[1:-1].amax(dim=0) for part in hidden.tokens.split(hidden.packing.lengths)]
            return self.out(torch.stack(words))

    match = "Broken cannot compute a row of special tokens alone, which texts can make. It raised"
    fails(Broken, LENGTHS, match)


def test_a_table_of_places_that_is_too_short_is_found(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.places = nn.Embedding(128, shape.width)

        def forward(self, hidden):
            placed = hidden.tokens + self.places(hidden.packing.column_of_token)
            return super().forward(hidden.with_tokens(placed))

    fails(Broken, LENGTHS, "Broken cannot compute a row of 512 tokens, which texts can make")


def test_a_failure_on_no_rows_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            parts = hidden.tokens.split(hidden.packing.lengths)
            return self.out(torch.stack([part.mean(dim=0) for part in parts]))

    match = r"Broken fails on a batch without rows.* look for max\(...\), a stack or a split of"
    fails(Broken, EMPTY, match)


def test_an_answer_to_nothing_is_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return super().decode(output, encoded) or ["nothing"]

    fails(Broken, EMPTY, r"Broken answers \['nothing'\] to nothing; return an empty list")


def test_a_width_written_down_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.out = nn.Linear(32, 2)

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape.model_copy(update={"n_layers": 3}))

    match = "Head does not work on an encoder of 1 layers of width 16; take sizes from the `shape`"
    fails(Head, OTHER, match)
    match = "Adapter does not work on an encoder of 4 layers of width 64"
    fails(Adapter, OTHER, match)


def test_a_config_that_fits_no_other_encoder_is_skipped(good_head, skips):
    class Choosy(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            if shape.n_layers != 3:
                raise ConfigError("it is for three layers")

    skips(Choosy, OTHER, "its config does not fit such encoders")


def test_good_classes_pass(good_head, good_adapters, check_head, check_adapter):
    for name in (LENGTHS, EMPTY, OTHER):
        check_head(good_head, name)
        for adapter in good_adapters:
            check_adapter(adapter, name)
