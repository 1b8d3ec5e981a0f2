import random

import torch
from torch import nn

from polyhead.heads import ClassificationHead, ClassificationHeadConfig

BITS = "test_saved_and_loaded_it_computes_the_same_bits"
FINITE = "test_weights_that_are_not_finite_are_neither_saved_nor_loaded"
TENSORS = "test_its_file_holds_all_its_weights_and_tensors_alone"


def test_state_that_is_no_tensor_is_found(good_head, fails):
    class Broken(good_head):
        def get_extra_state(self):
            return {"seen": 3}

        def set_extra_state(self, state):
            pass

    match = "Broken has a get_extra_state, and files hold tensors alone; make a buffer of it"
    fails(Broken, TENSORS, match)


def test_a_value_in_the_state_that_is_no_tensor_is_found(good_head, fails):
    class Broken(good_head):
        def state_dict(self, *args, **kwargs):
            return {**super().state_dict(*args, **kwargs), "labels": ["no", "yes"]}

    fails(Broken, TENSORS, r"state_dict\(\) has \['labels'\], which are no tensors")


def test_a_weight_that_is_not_saved_is_found(good_head, fails):
    class Broken(good_head):
        def state_dict(self, *args, **kwargs):
            state = super().state_dict(*args, **kwargs)
            return {name: values for name, values in state.items() if name != "out.bias"}

    fails(Broken, TENSORS, r"state_dict\(\) lacks the weights \['out.bias'\], so they would not be")


def test_a_tensor_with_two_names_is_found(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.twin = nn.Linear(shape.width, 2)
            self.twin.weight = self.out.weight

    match = "twin.weight and out.weight are one tensor, which a file cannot hold twice"
    fails(Broken, TENSORS, match)


def test_values_read_while_it_is_built_are_found(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.largest = float(self.out.weight.detach().max())

    match = "Broken.__init__ fails on torch's meta device, where tensors have shapes and no values"
    fails(Broken, "test_it_is_built_without_memory_for_weights", match)


def test_tensors_that_depend_on_more_than_the_config_are_found(good_head, fails):
    sizes = iter(range(1, 9))

    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.extra = nn.Parameter(torch.zeros(next(sizes)))

    match = r"makes other tensors on torch's meta device: .*'extra': \(2,\).* and not .*\(1,\)"
    fails(Broken, "test_it_is_built_without_memory_for_weights", match)


def test_what_is_not_in_the_file_is_found(good_head, fails):
    class Buffered(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.register_buffer("shift", torch.randn(2), persistent=False)

        def forward(self, hidden):
            return super().forward(hidden) + self.shift

    class Plain(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.factor = random.random()  # noqa: S311

        def forward(self, hidden):
            return super().forward(hidden) * self.factor

    for broken in (Buffered, Plain):
        match = "with the same tensors: something that counts is neither parameter nor buffer"
        fails(broken, BITS, match)


def test_weights_changed_on_their_way_are_found(good_head, fails):
    class Shifted(good_head):
        def load_state_dict(self, state, *args, **kwargs):
            done = super().load_state_dict(state, *args, **kwargs)
            with torch.no_grad():
                self.out.bias.add_(1)
            return done

    class Halved(good_head):
        def load_state_dict(self, state, *args, **kwargs):
            return super().load_state_dict({k: v.half() for k, v in state.items()}, *args, **kwargs)

    for broken in (Shifted, Halved):
        fails(broken, BITS, r"out.(bias|weight) is another after loading; do not change weights in")


def test_a_config_that_is_not_kept_is_found(good_head, fails):
    class Broken(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            dropout = random.random()  # noqa: S311
            self.config = config.model_copy(update={"dropout": dropout})

    fails(Broken, BITS, "the loaded config is .*dropout=0")


def test_it_cannot_be_saved_is_found(good_head, fails):
    class Broken(good_head):
        def state_dict(self, *args, **kwargs):
            raise NotImplementedError("write your own")

    fails(Broken, BITS, "Broken cannot be saved. It raised NotImplementedError: write your own")


class ByHashConfig(ClassificationHeadConfig):
    pass


class ByHash(ClassificationHead):
    """Its numbers depend on the hash of a text, which is another in each process."""

    kind = "under_test"
    Config = ByHashConfig

    def forward(self, hidden):
        return super().forward(hidden) + hash("label") % 1000 / 1000


def test_what_depends_on_the_process_is_found(fails):
    match = "a fresh process computes something else from ByHashConfig.*: the order of a set, hash"
    fails(ByHash, "test_a_fresh_process_computes_the_same_bits", match)


def test_a_class_that_no_other_process_can_find_is_found(good_head, fails):
    match = "is defined inside a function, where a fresh process cannot find it; move it to the top"
    fails(good_head, "test_a_fresh_process_computes_the_same_bits", match)


def test_a_process_that_fails_is_told_with_its_reason(fails, monkeypatch):
    class Elsewhere(ByHash):
        pass

    Elsewhere.__qualname__ = "NoSuchClass"
    match = "a fresh process cannot load and ask what NoSuchClass saved: AttributeError: .*NoSuch"
    fails(Elsewhere, "test_a_fresh_process_computes_the_same_bits", match)


def test_nan_that_is_saved_is_found(good_head, fails):
    class Broken(good_head):
        def state_dict(self, *args, **kwargs):
            state = super().state_dict(*args, **kwargs)
            return state if kwargs else {k: v.nan_to_num() for k, v in state.items()}

    match = "it is saved with NaN in out.weight; leave state_dict and its hooks as torch has them"
    fails(Broken, FINITE, match)


def test_checks_that_do_not_apply_are_skipped_with_a_reason(good_head, skips):
    class Weightless(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            del self.out

    skips(Weightless, FINITE, "it has no weights")
