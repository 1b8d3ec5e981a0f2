import torch

from polyhead.contracts import Prefixes

OUTPUT = "test_an_output_does_not_depend_on_the_batch"
ANSWER = "test_an_answer_does_not_depend_on_the_batch"


def test_an_output_relative_to_the_batch_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return logits - logits.mean(dim=0)

    match = "an example's output depends on what else is in its batch .* output differs by up to"
    fails(Broken, OUTPUT, match)


def test_padding_that_counts_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return self.out(hidden.padded().mean(dim=1))

    fails(Broken, OUTPUT, "what a shorter row is padded with must count for nothing")


def test_rows_taken_from_the_whole_batch_are_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return self.out(hidden.batch_packing.first(hidden.batch)[: hidden.n_rows])

    fails(Broken, OUTPUT, "Compute each row from its own tokens: `packing` says which these are")


def test_an_adapter_that_looks_at_other_rows_is_found(good_adapter, fails):
    class Broken(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.forward = lambda output, residual, norm, packing: norm(
                    output + residual + output.mean(dim=0)
                )

    fails(Broken, OUTPUT, r"depends on what else is in its batch \(with the adapter 'subject'\)")


def test_a_prompt_that_looks_at_other_rows_is_found(good_sites, fails):
    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            enter = self.prompt.enter

            def mixed(embeddings, packing):
                values, longer = enter(embeddings, packing)
                return values + embeddings.mean(dim=0), longer

            self.prompt.enter = mixed

    fails(Broken, OUTPUT, r"depends on what else is in its batch \(with the adapter 'subject'\)")


def test_a_prefix_that_looks_at_other_rows_is_found(good_sites, fails):
    class Broken(good_sites):
        def tap(self, name):
            tap = super().tap(name)
            if name == "prefix":
                tap.forward = lambda inputs, packing: Prefixes.shared(
                    tap.keys + inputs[:1].view(1, *tap.keys.shape[1:]), tap.values, packing.n_rows
                )
            return tap

    fails(Broken, OUTPUT, r"depends on what else is in its batch \(with the adapter 'subject'\)")


def test_answers_sorted_by_score_are_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return sorted(super().decode(output, encoded), key=lambda answer: answer.score)

    match = "are others than to each alone, or in another order. .* in the order of `encoded`"
    fails(Broken, ANSWER, match)


def test_scores_shared_among_all_texts_are_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return super().decode(output.softmax(dim=0), encoded)

    fails(Broken, ANSWER, "Make each from its own part of the output")


def test_good_classes_pass(good_head, good_adapters, check_head, check_adapter):
    for name in (OUTPUT, ANSWER):
        check_head(good_head, name)
        for adapter in good_adapters:
            check_adapter(adapter, name)


def test_an_answer_of_a_dict_with_padding_is_read_part_by_part(good_head, check_head):
    class Good(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return {"logits": logits, "tokens": hidden.padded()}

        def loss(self, output, targets):
            return super().loss(output["logits"], targets)

        def decode(self, output, encoded):
            assert torch.isfinite(output["tokens"]).all()
            return super().decode(output["logits"], encoded)

    check_head(Good, OUTPUT)
    check_head(Good, ANSWER)
