import torch
from torch import nn

from polyhead.contracts import NO_TAPS, LayerTaps

CHANGE = "test_its_weights_change_the_hidden_states"
FRESH = "test_fresh_weights_do_as_it_says"
ONCE = "test_taps_are_made_once"
RETURN = "test_taps_return_what_the_next_step_reads"
OTHERS = "test_rows_of_others_are_left_alone"
META = "test_it_makes_tensors_where_the_hidden_states_are"


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

    match = "rows with the adapter None change when Broken has rows in their batch; write into no"
    fails(with_tap(good_adapter, tap), OTHERS, match)


def test_taps_that_are_made_anew_are_found(good_adapter, fails):
    class Broken(good_adapter):
        def taps(self, layer):
            return LayerTaps(ffn=self.ffn[str(layer)])

    match = r"Broken.taps\(0\) makes a new object each time; make all of them in __init__"
    fails(Broken, ONCE, match)


def test_taps_that_are_none_are_found(good_adapter, fails):
    class Empty(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.made = (LayerTaps(), *self._taps[1:])

        def taps(self, layer):
            return self.made[layer]

    class Missing(good_adapter):
        def taps(self, layer):
            return None

    fails(Empty, ONCE, r"Empty.taps\(0\) returns LayerTaps without a tap; return NO_TAPS")
    fails(Missing, ONCE, r"Missing.taps\(0\) returns a NoneType; return a LayerTaps or NO_TAPS")


def test_a_tap_that_returns_something_else_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(packing.mean(output))

    match = r"the tap 'ffn' of layer 0 of Broken makes shape \(3, 32\) of shape \(8, 32\); return"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_a_tap_that_fails_on_no_token_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(output + residual / output.abs().max())

    match = "the tap 'ffn' of layer 0 of Broken fails on 0 tokens. It raised RuntimeError"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_a_tap_that_writes_into_what_it_reads_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(residual.add_(output))

    match = "the tap 'ffn' of layer 0 of Broken writes into `output` or `residual`, which others"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_tensors_left_on_the_cpu_are_found(good_adapter, good_side, fails):
    def tap(output, residual, norm, packing):
        return norm(output + residual + torch.zeros(len(output), 1))

    class Beside(good_side):
        def read(self, layers, packing):
            return super().read(layers, packing) * torch.ones(layers[0].shape[1])

    fails(with_tap(good_adapter, tap), META, "Broken makes a tensor on the CPU whatever device")
    fails(Beside, META, "Beside makes a tensor on the CPU whatever device it is given")


def test_side_adapters_have_no_taps_to_check(good_side, skips):
    for name in (ONCE, RETURN):
        skips(good_side, name, "it acts beside the encoder, without taps")


def test_good_adapters_pass(good_adapter, good_side, check_adapter):
    for name in (CHANGE, FRESH, OTHERS, META):
        check_adapter(good_side, name)
    for name in (CHANGE, FRESH, OTHERS, META, ONCE, RETURN):
        check_adapter(good_adapter, name)
