import torch
from torch import nn

from polyhead.contracts import NO_TAPS

CHANGE = "test_its_weights_change_the_hidden_states"
FRESH = "test_fresh_weights_do_as_it_says"
OTHERS = "test_rows_of_others_are_left_alone"


def with_tap(good_adapter, tap):
    """The good adapter with another tap at each of its sites."""

    class Broken(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.forward = tap

    return Broken


def test_a_preset_that_cannot_be_built_is_found(good_adapter, fails):
    class Broken(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.half = nn.Linear(shape.width, shape.width // (8 - int(config.reduction_factor)))

    Broken.presets = {
        "under_test_large": good_adapter.Config(
            mh_adapter=False, output_adapter=True, reduction_factor=8, non_linearity="relu"
        )
    }
    match = "the preset 'under_test_large' of Broken cannot be built. It raised ZeroDivisionError"
    fails(Broken, "test_its_presets_can_be_built", match)


def test_a_preset_of_another_class_is_found(good_adapter, fails):
    class Broken(good_adapter):
        presets = {"under_test_odd": None}  # noqa: RUF012 - as the contract has it

    match = "Broken cannot be registered. It raised ContractError: the preset 'under_test_odd'"
    fails(Broken, "test_its_presets_can_be_built", match)


def test_an_adapter_that_does_nothing_is_found(good_adapter, good_side, fails):
    class Inside(good_adapter):
        def taps(self, layer):
            return NO_TAPS

    class Beside(good_side):
        def read(self, layers, packing):
            return layers[-1] + 0 * self.mix(layers[-1])

    for broken in (Inside, Beside):
        match = f"{broken.__name__} changes nothing, whatever its weights are; see that `taps` or"
        fails(broken, CHANGE, match)


def test_fresh_weights_that_change_something_are_found_where_they_shall_not(good_adapter, fails):
    match = "a fresh GoodAdapter changes the hidden states; let the last factor of its change start"
    fails(good_adapter, FRESH, match, is_neutral_at_first=True)


def test_fresh_weights_that_are_not_finite_are_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(output + residual) / 0

    match = "a fresh Broken makes hidden states that are not finite; let its first weights be small"
    fails(with_tap(good_adapter, tap), FRESH, match)


def test_an_adapter_that_turns_its_gradients_round_is_found(good_adapter, fails):
    class Turned(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            return values.clone()

        @staticmethod
        def backward(ctx, gradient):
            return -100 * gradient

    class Broken(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                step = site.forward
                site.forward = lambda *given, step=step: Turned.apply(step(*given))

    match = r"10 steps change the loss of Broken from \S+ to .* Look for a wrong sign"
    fails(Broken, "test_training_it_alone_lowers_the_loss", match)


def test_an_adapter_that_changes_foreign_rows_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        # the whole batch's, of which `residual` is a slice
        whole = torch.as_strided(residual, (residual.untyped_storage().nbytes() // 4,), (1,), 0)
        whole.mul_(2)
        return norm(output + residual)

    match = (
        "rows with the adapter 'spare' change when Broken has rows in their batch; write into no"
    )
    fails(with_tap(good_adapter, tap), OTHERS, match)


def test_good_adapters_pass(good_adapter, good_side, good_sites, check_adapter):
    for adapter in (good_adapter, good_side, good_sites):
        for name in (CHANGE, FRESH, OTHERS):
            check_adapter(adapter, name)


FOR_ITSELF = "test_it_changes_each_token_by_itself_if_it_says_so"


def test_an_adapter_that_reads_more_tokens_than_it_says_is_found(
    good_adapter, fails, check_adapter
):
    def tap(output, residual, norm, packing):
        return norm(output + residual + packing.mean(output)[packing.row_of_token])

    check_adapter(good_adapter, FOR_ITSELF)
    match = "Broken has is_per_token, and what it makes of a token behind the attention depends on"
    fails(with_tap(good_adapter, tap), FOR_ITSELF, match)
