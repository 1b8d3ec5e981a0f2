import torch
from torch.nn.modules.module import register_module_forward_hook

from polyhead.encoder.layer import EncoderLayer

ENTERS = "test_no_gradient_enters_the_encoder"
NAMED = "test_it_reads_only_the_layers_that_it_names"
LEFT = "test_it_leaves_the_layers_as_they_were"
TOGETHER = "test_reading_together_is_reading_alone"


def test_a_gradient_into_the_encoder_is_found(good_side, fails):
    taken = []

    class Broken(good_side):
        def read(self, layers, packing):
            return super().read(layers, packing) + taken[-1]

    def take(module, given, output):
        if isinstance(module, EncoderLayer):
            taken.append(output)

    with register_module_forward_hook(take):
        match = "the loss has gradients for .* of the encoder; Broken must compute from the layers"
        fails(Broken, ENTERS, match)


def test_layers_that_are_read_and_not_named_are_found(good_side, fails):
    class Broken(good_side):
        def read(self, layers, packing):
            return layers[-1] + self.mix(layers[0])

    match = r"Broken.read looks at layers that reads\(1\) does not name; name them"
    fails(Broken, NAMED, match)


def test_layers_that_are_not_there_are_found(good_side, fails):
    class Broken(good_side):
        def reads(self, depth):
            return (depth, depth - 1)

    match = r"Broken.reads\(0\) returns \[0, -1\]; return numbers from 0 to 0, ascending"
    fails(Broken, NAMED, match)


def test_a_failure_below_the_last_layer_is_found(good_side, fails):
    class Broken(good_side):
        def reads(self, depth):
            return range(depth + 1)

        def read(self, layers, packing):
            return layers[-1] + self.mix(layers[-2])

    match = "Broken.read fails on the layers up to 0. It raised IndexError: tuple index out of"
    fails(Broken, NAMED, match)


def test_writing_into_the_layers_is_found(good_side, fails):
    class Broken(good_side):
        def read(self, layers, packing):
            return layers[-1].add_(self.mix(layers[-1]))

    match = "Broken.read writes into the layers that it is given; use operations without a trailing"
    fails(Broken, LEFT, match)


def test_a_result_of_rows_is_found(good_side, fails):
    class Broken(good_side):
        def read(self, layers, packing):
            return packing.mean(self.mix(layers[-1]))

    match = r"Broken.read must return a tensor of shape \(8, 32\): a hidden state a token"
    fails(Broken, LEFT, match)


def test_a_failure_without_rows_is_found(good_side, fails):
    class Broken(good_side):
        def read(self, layers, packing):
            return self.mix(layers[-1]) / layers[-1].abs().max()

    fails(Broken, LEFT, "Broken.read fails on 0 tokens. It raised RuntimeError")


def test_reading_together_that_differs_is_found(good_side, fails):
    class Mixed(good_side):
        @classmethod
        def read_many(cls, adapters, layers, packing):
            return [adapter.read(layers, packing) for adapter in reversed(adapters)]

    class Single(good_side):
        @classmethod
        def read_many(cls, adapters, layers, packing):
            return [adapters[0].read(layers, packing)]

    class Failing(good_side):
        @classmethod
        def read_many(cls, adapters, layers, packing):
            return torch.stack([adapter.no_such_weight for adapter in adapters])

    fails(Mixed, TOGETHER, "Mixed.read_many makes something else than `read` of")
    fails(Single, TOGETHER, "Single.read_many returns 1 results for 2 adapters; return one each")
    fails(Failing, TOGETHER, "Failing.read_many fails. It raised AttributeError: 'Failing'")


def test_adapters_inside_the_encoder_are_skipped(good_adapter, skips):
    for name in (ENTERS, NAMED, LEFT, TOGETHER):
        skips(good_adapter, name, "it acts inside the encoder")


def test_good_side_adapters_pass(good_side, check_adapter):
    for name in (ENTERS, NAMED, LEFT, TOGETHER):
        check_adapter(good_side, name)
