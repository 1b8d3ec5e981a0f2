import math

from pydantic import Field, field_validator

from polyhead.contracts import Prediction
from polyhead.heads import ClassificationPrediction

JSON = "test_predictions_are_json"


def test_an_output_of_rows_said_to_be_of_tokens_is_found(good_head, fails):
    class Broken(good_head):
        answers = "token"

    match = "Broken.answers is 'token', and its output must have as many tokens in the first dim"
    fails(Broken, "test_its_output_has_a_place_for_each_answer", match)


def test_an_output_that_is_no_tensor_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            return super().forward(hidden).tolist()

    match = "Correct `forward`, or `answers`. It raised ContractError: .* returned a list"
    fails(Broken, "test_its_output_has_a_place_for_each_answer", match)


def test_numbers_that_json_has_not_are_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            infinite = {"score": -math.inf}
            return [one.model_copy(update=infinite) for one in super().decode(output, encoded)]

    fails(Broken, JSON, "Broken.decode answers with .-inf.; JSON has finite numbers alone")


def test_a_prediction_that_json_changes_is_found(good_head, fails):
    class Rounded(ClassificationPrediction):
        score: float = Field(description="Its probability.")

        @field_validator("score")
        @classmethod
        def _halved(cls, score):
            return score / 2

    class Broken(good_head):
        def decode(self, output, encoded):
            return [Rounded(**one.model_dump()) for one in super().decode(output, encoded)]

    fails(Broken, JSON, "Rounded comes back from JSON as another one.*types that JSON has")


def test_a_prediction_that_cannot_be_read_again_is_found(good_head, fails):
    class Strict(Prediction):
        labels: tuple[str, ...]

        @field_validator("labels", mode="before")
        @classmethod
        def _no_list(cls, value):
            if isinstance(value, list):
                raise ValueError("must be a tuple")  # noqa: TRY004 - pydantic reads ValueError
            return value

    class Broken(good_head):
        def decode(self, output, encoded):
            return [Strict(labels=("yes",)) for _ in encoded]

    fails(Broken, JSON, "Strict cannot be written as JSON and read again. It raised Validation")


def test_a_prediction_of_two_lines_is_found(good_head, fails):
    class Long(ClassificationPrediction):
        def __str__(self):
            return f"{self.label}\n{self.score}"

    class Broken(good_head):
        def decode(self, output, encoded):
            return [Long(**one.model_dump()) for one in super().decode(output, encoded)]

    fails(Broken, JSON, r"str\(\) of a Long is not one line, as a table needs it")


def test_missing_predictions_are_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return super().decode(output, encoded)[:1]

    match = "Broken cannot answer its examples. It raised ContractError: .* one .* for each example"
    fails(Broken, JSON, match)


def test_answers_from_nan_are_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            return super().decode(output.nan_to_num(), encoded)

    match = "Broken.decode answers .* from hidden states that are NaN; check with torch.isfinite"
    fails(Broken, "test_hidden_states_that_are_not_finite_are_refused", match)


def test_nan_refused_with_another_error_is_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            if output.isnan().any():
                raise KeyError("nan")
            return super().decode(output, encoded)

    match = "Broken.decode raises KeyError on an output that is not finite; .* raise InputError"
    fails(Broken, "test_hidden_states_that_are_not_finite_are_refused", match)


def test_a_text_of_one_letter_that_fails_is_found(good_head, fails):
    class Broken(good_head):
        def encode(self, examples, tokenizer):
            [example.text.split()[1] for example in examples if len(example.text) == 1]
            return super().encode(examples, tokenizer)

    match = r"Broken fails on TextExample\(text='a'.*; answer it, or refuse it with an InputError"
    fails(Broken, "test_texts_of_any_length_are_answered", match)
