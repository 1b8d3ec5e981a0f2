import torch
from torch import nn

ALL = "test_gradients_reach_all_its_weights"
ELSE = "test_gradients_reach_nothing_else"


def test_a_weight_that_is_never_used_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.spare = nn.Parameter(torch.zeros(2))

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.spare = nn.Parameter(torch.zeros(2))

    for broken in (Head, Adapter):
        name = broken.__name__
        match = rf"the loss has no gradient for the weights \['spare'\] of {name}. Use them in what"
        fails(broken, ALL, match)


def test_a_gradient_cut_off_on_the_way_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def forward(self, hidden):
            return super().forward(hidden).detach() * self.out.bias

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.down.requires_grad_(requires_grad=False)

    fails(Head, ALL, r"no gradient for the weights \['out.weight'\] of Head")
    fails(Adapter, ALL, r"no gradient for the weights \['ffn.0.down.weight', 'ffn.0.down.bias'")


def test_a_gradient_that_is_no_number_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return logits + (logits * 0).abs().sqrt()

    fails(Broken, ALL, r"the gradients of \['out.weight', 'out.bias'\] are not finite; look for a")


def test_a_loss_that_leaves_torch_is_found(good_head, fails):
    class Broken(good_head):
        def loss(self, output, targets):
            return torch.tensor(float(super().loss(output, targets)))

    match = "the loss of Broken cannot be derived; it must be one number, computed from the output"
    fails(Broken, ALL, match)


def test_an_encoder_that_is_trained_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def forward(self, hidden):
            hidden.word_embeddings.requires_grad_(requires_grad=True)
            return super().forward(hidden)

    def thaw(output, residual, norm, packing):
        norm.requires_grad_(requires_grad=True)
        return norm(output + residual)

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.forward = thaw

    for broken in (Head, Adapter):
        match = f"training {broken.__name__} gives the encoder gradients, for .* Never set requires"
        fails(broken, ELSE, match)


def test_an_encoder_that_is_written_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            with torch.no_grad():
                hidden.word_embeddings[0] += 1
            return super().forward(hidden)

    match = "Broken writes into the encoder's weights, which all tasks share"
    fails(Broken, ELSE, match)


def test_another_adapter_that_is_trained_is_found(good_head, fails):
    class Broken(good_head):
        def loss(self, output, targets):
            # what it keeps of the last call: the whole batch, foreign rows among it
            return super().loss(output, targets) + self.batch.square().sum()

        def forward(self, hidden):
            self.batch = hidden.batch
            return super().forward(hidden)

    fails(Broken, ELSE, r"training Broken gives another adapter gradients, for \['attention.0")


def test_good_classes_pass(good_head, good_adapters, check_head, check_adapter):
    for name in (ALL, ELSE):
        check_head(good_head, name)
        for adapter in good_adapters:
            check_adapter(adapter, name)
