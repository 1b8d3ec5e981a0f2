import pytest
import torch
from pydantic import Field, field_serializer

from polyhead.batch import Row
from polyhead.contracts import Encoded, TextSettings
from polyhead.errors import InputError
from polyhead.heads import TextExample


def test_examples_that_json_changes_are_found(good_head, fails):
    class Loud(TextExample):
        @field_serializer("text")
        def _in_capitals(self, text):
            return text.upper()

    class Broken(good_head):
        Example = Loud

    fails(Broken, "test_its_examples_survive_json", "Loud comes back from JSON as another one")


def test_a_field_of_examples_without_description_is_found(good_head, fails):
    class Noted(TextExample):
        note: str | None = None

    class Broken(good_head):
        Example = Noted

    match = r"these fields of Noted have no description: note; write Field\("
    fails(Broken, "test_every_field_of_its_examples_is_described", match)


def test_a_target_that_is_no_field_is_found(good_head, fails):
    class Answered(TextExample):
        target_fields = ("answer",)

    class Broken(good_head):
        Example = Answered

    match = r"target_fields of Answered names \['answer'\], which are no fields of it; set it to"
    fails(Broken, "test_its_targets_are_fields_that_may_be_missing", match)


def test_a_target_that_must_be_there_is_found(good_head, fails):
    class Sure(TextExample):
        label: str = Field(description="Its label.")

    class Broken(good_head):
        Example = Sure

    match = "Sure cannot be made without its target_fields, label: .*; give each of them a default"
    fails(Broken, "test_its_targets_are_fields_that_may_be_missing", match)


BECOMES_ROWS = "test_an_example_becomes_rows_and_a_target"


def test_examples_encoded_in_another_order_are_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            return super().encode(examples, tokenizer)[::-1]

    match = "Broken.encode must return one Encoded an example, in their order"
    fails(Broken, BECOMES_ROWS, match)


def test_a_labelled_example_without_target_is_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            return [
                Encoded(item.example, item.rows) for item in super().encode(examples, tokenizer)
            ]

    match = "Broken.encode makes the target None of a labelled example; it must be a tensor"
    fails(Broken, BECOMES_ROWS, match)


def test_targets_that_do_not_fit_together_are_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            return [
                Encoded(item.example, item.rows, item.target.view((1,) * (1 + number % 2)))
                for number, item in enumerate(super().encode(examples, tokenizer))
            ]

    fails(Broken, BECOMES_ROWS, "the targets that Broken.encode makes cannot be concatenated")


def test_rows_that_depend_on_other_examples_are_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            encoded = super().encode(examples, tokenizer)
            longest = max(item.n_tokens for item in encoded)
            return [
                Encoded(
                    item.example,
                    (Row(item.rows[0].ids + (tokenizer.pad_id,) * (longest - item.n_tokens)),),
                    item.target,
                )
                for item in encoded
            ]

    fails(Broken, BECOMES_ROWS, "Broken.encode makes other rows of an example alone than among")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ((Row((101, 30_000)),), "Broken.encode makes token ids from 101 to 30000, and the vocab"),
        ((), "Broken.encode makes an example without rows, or a row without tokens"),
        ((Row(()),), "Broken.encode makes an example without rows, or a row without tokens"),
        ([Row((5, 6))], "Broken.encode makes rows of type list; give a tuple of Rows"),
    ],
)
def test_rows_that_the_encoder_cannot_read_are_found(good_head, fails, rows, match):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            return [Encoded(e.example, rows, e.target) for e in super().encode(examples, tokenizer)]

    fails(Broken, BECOMES_ROWS, match)


def test_a_target_without_label_is_found(good_head, fails):
    class Broken(good_head):
        def _target(self, example):
            return super()._target(example) if example.label else torch.tensor([0])

    match = "Broken.encode makes a target of an example without label; leave it None"
    fails(Broken, "test_an_example_without_label_has_no_target", match)


def test_rows_longer_than_the_task_allows_are_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            return super().encode(examples, tokenizer.with_settings(TextSettings(max_length=512)))

    match = r"Broken.encode makes a row of \d+ tokens where the task allows 16; make rows with"
    fails(Broken, "test_rows_are_no_longer_than_the_task_allows", match)


def test_unknown_labels_that_are_taken_are_found(good_head, fails):
    class Broken(good_head):
        def _target(self, example):
            number = self._number_of.get(example.label, 0)
            return None if example.label is None else torch.tensor([number])

    match = "Broken must refuse a label that the config does not have with an InputError; it takes"
    fails(Broken, "test_unknown_labels_are_refused", match)


def test_unknown_labels_that_are_a_key_error_are_found(good_head, fails):
    class Broken(good_head):
        def _target(self, example):
            return None if example.label is None else torch.tensor([self._number_of[example.label]])

    fails(Broken, "test_unknown_labels_are_refused", "with an InputError; it raises KeyError")


def test_a_refusal_without_the_place_is_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            try:
                return super().encode(examples, tokenizer)
            except InputError as error:
                raise InputError(error.reason) from None

    match = r"tells the example's place: InputError\(reason, index=place\).* Its index is None"
    fails(Broken, "test_unknown_labels_are_refused", match)


def test_blank_texts_that_are_taken_are_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            filled = [e if e.text.strip() else e.model_copy(update={"text": "-"}) for e in examples]
            return super().encode(filled, tokenizer)

    match = "Broken must refuse a blank text with an InputError; it takes it"
    fails(Broken, "test_a_text_without_words_is_refused", match)


def test_what_is_to_be_refused_and_is_taken_is_found(good_head, fails, check_head):
    name = "test_what_is_to_be_refused_is_refused"
    match = "GoodHead must refuse 'a text' with an InputError; it takes it"
    fails(good_head, name, match, refused=("a text",))
    check_head(good_head, name, refused=({"no": "text"}, {"text": "a", "label": "maybe"}))


def test_checks_that_do_not_apply_are_skipped_with_a_reason(good_head, skips):
    class Free(TextExample):
        target_fields = ()

    class FreeHead(good_head):
        Example = Free

    name = "test_an_example_without_label_has_no_target"
    skips(FreeHead, name, "no field that is only for training")
    skips(FreeHead, "test_unknown_labels_are_refused", "no names out of `config.labels`")
    name = "test_what_is_to_be_refused_is_refused"
    skips(FreeHead, name, "names no examples to be refused")
