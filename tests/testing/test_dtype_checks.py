import pytest
import torch
from torch import nn

MOVES = "test_all_its_tensors_move_with_it"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_tensor_of_a_fixed_type_is_found(good_head, good_adapter, fails, dtype):
    class Head(good_head):
        def forward(self, hidden):
            return super().forward(
                hidden.with_tokens(hidden.tokens @ torch.eye(hidden.batch.shape[1]))
            )

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            eye = torch.eye(shape.width, device="cpu")
            for site in self.ffn.values():
                site.forward = lambda output, residual, norm, packing: norm(output @ eye + residual)

    for broken in (Head, Adapter):
        match = rf"{broken.__name__} fails in torch.{dtype}; make new tensors like those given"
        fails(broken, f"test_it_computes_in_{dtype}", match)


def test_a_type_that_numpy_lacks_is_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return super().decode(torch.from_numpy(output.numpy()), encoded)

    fails(Broken, "test_it_computes_in_bfloat16", "It raised TypeError: .*BFloat16")


def test_a_result_rounded_to_float32_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden).float()

    match = "output of Broken is torch.float32 where the model is torch.float64; compute"
    fails(Broken, "test_it_computes_in_float64", match)


def test_float32_in_the_place_of_half_precision_is_allowed(good_head, check_head):
    class Precise(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return logits.to(torch.promote_types(logits.dtype, torch.float32))

    for dtype in ("float16", "bfloat16", "float64"):
        check_head(Precise, f"test_it_computes_in_{dtype}")


def test_another_result_in_float64_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden) * torch.finfo(hidden.batch.dtype).bits

    match = "Broken computes something else in float64 than in float32. output differs by up to"
    fails(Broken, "test_it_computes_in_float64", match)


def test_a_number_too_large_for_half_precision_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            large = super().forward(hidden) * 1e6
            return large - large.mean(dim=1, keepdim=True)

    fails(
        Broken, "test_it_computes_in_float16", "Broken (fails|has NaN) in torch.float16|is nan in"
    )


def test_weights_that_do_not_follow_are_found(good_head, fails):
    class Broken(good_head):
        def _apply(self, fn, recurse=True):
            return self

    match = "out.weight of Broken is torch.float32 after model.to.torch.float64.; leave `to` and"
    fails(Broken, "test_it_computes_in_float64", match)


def test_a_tensor_in_a_plain_attribute_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.prior = torch.zeros(2)

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.ffn["0"].masks = {"all": [torch.ones(2)]}

    match = r"prior of Head is a tensor in a plain attribute, .* Write self.register_buffer\('prio"
    fails(Head, MOVES, match)
    fails(Adapter, MOVES, "ffn.0.masks of Adapter is a tensor in a plain attribute")


def test_buffers_and_objects_that_keep_tensors_for_themselves_pass(good_head, check_head):
    class Table:
        def __init__(self):
            self.rows = torch.zeros(2)

    class Good(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.register_buffer("prior", torch.zeros(2))
            self.extra = nn.Identity()
            self.table = Table()

    check_head(Good, MOVES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_check_is_skipped_with_a_reason(good_head, skips):
    skips(good_head, "test_it_computes_on_a_gpu", "there is no CUDA device")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_a_gpu_what_is_left_on_the_cpu_is_found(good_head, good_adapter, fails, check_head):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden) + torch.ones(hidden.n_rows, 2)

    name = "test_it_computes_on_a_gpu"
    fails(Broken, name, "Broken fails on a GPU; make new tensors with device=")
    check_head(good_head, name)


def test_good_classes_pass(good_head, good_adapters, check_head, check_adapter):
    for dtype in ("float16", "bfloat16", "float64"):
        check_head(good_head, f"test_it_computes_in_{dtype}")
        for adapter in good_adapters:
            check_adapter(adapter, f"test_it_computes_in_{dtype}")
