import re

import pytest
from pydantic import BaseModel

from polyhead.contracts import Prediction
from polyhead.heads import (
    AnswerCandidate,
    ClassificationPrediction,
    EmbeddingPrediction,
    FoundEntity,
    MaskedLMPrediction,
    MaskFilling,
    MultilabelPrediction,
    QuestionAnsweringPrediction,
    RegressionPrediction,
    TaggingPrediction,
)
from polyhead.heads.multiple_choice import MultipleChoicePrediction
from polyhead.serve.ui.renderings import rendered

ATTACK = "<img src=x onerror=alert(1)>"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"


def labels_in(html):
    return re.findall(r'class="ph-label">([^<]*)<', html)


def numbers_in(html):
    return re.findall(r'class="ph-number">([^<]*)<', html)


def classified(label="good"):
    return ClassificationPrediction(
        label=label, score=0.75, probabilities={"bad": 0.25, label: 0.75}
    )


def tagged(text, *entities):
    return TaggingPrediction(
        entities=[
            FoundEntity(label=label, text=text[start:end], start=start, end=end, score=0.5)
            for start, end, label in entities
        ],
        words=text.split(),
        tags=[],
        scores=[],
        starts=[],
        ends=[],
    )


def answered(start, end, text):
    candidate = AnswerCandidate(text=text, start=start, end=end, score=0.6)
    return QuestionAnsweringPrediction(
        text=text,
        start=start,
        end=end,
        score=0.6,
        candidates=(candidate,),
        null_margin=None,
    )


def filling(word, score):
    return MaskFilling(score=score, token=1, token_str=word, sequence=word)


def test_labels_are_bars_the_most_probable_first():
    html = rendered(classified(), {"text": "fine"})
    assert labels_in(html) == ["good", "bad"]
    assert numbers_in(html) == ["75.0%", "25.0%"]
    assert html.count("ph-chosen") == 1
    assert "width:75.0%" in html


def test_the_labels_chosen_of_many_are_named_and_marked():
    found = {"law": 0.1, "sport": 0.9, "weather": 0.6}
    html = rendered(
        MultilabelPrediction(labels=["sport", "weather"], probabilities=found), {"text": "x"}
    )
    assert "sport, weather" in html
    assert labels_in(html) == ["sport", "weather", "law"]
    assert html.count("ph-chosen") == 2


def test_none_of_the_labels_is_said():
    html = rendered(MultilabelPrediction(labels=[], probabilities={"law": 0.1}), {"text": "x"})
    assert "none of the labels" in html


def test_many_labels_are_folded_away():
    found = {f"label {number}": number / 100 for number in range(20)}
    html = rendered(MultilabelPrediction(labels=[], probabilities=found), {"text": "x"})
    first, rest = html.split("<details>")
    assert len(labels_in(first)) == 8
    assert len(labels_in(rest)) == 12
    assert "12 more" in rest


def test_entities_are_highlighted_in_their_text():
    text = "Ana met 🦜 Bo."
    html = rendered(tagged(text, (0, 3, "PER"), (10, 12, "PER")), {"text": text})
    assert re.findall(r"<mark[^>]*>([^<]*)<", html) == ["Ana", "Bo"]
    assert re.sub(r"<span.*?</span>|<[^>]*>", "", html) == text


def test_entities_of_two_kinds_have_two_colours():
    html = rendered(tagged("Ana in Rome", (0, 3, "PER"), (7, 11, "LOC")), {"text": "Ana in Rome"})
    assert len(set(re.findall(r"ph-hue-\d", html))) == 2


def test_words_are_highlighted_where_tags_are_no_entities():
    prediction = TaggingPrediction(
        entities=[],
        words=["a", "dog"],
        tags=["O", "NOUN"],
        scores=[0.9, 0.8],
        starts=[0, 2],
        ends=[1, 5],
    )
    html = rendered(prediction, {"text": "a dog"})
    assert re.findall(r"<mark[^>]*>([^<]*)<", html) == ["dog"]
    assert "NOUN" in html


def test_a_text_without_entities_is_shown_and_said_to_have_none():
    html = rendered(tagged("nothing here"), {"text": "nothing here"})
    assert "nothing here" in html
    assert "Nothing was found." in html


@pytest.mark.parametrize("entity", [(3, 99, "PER"), (5, 5, "PER"), (0, 5, "ORG")])
def test_a_part_that_is_none_of_the_text_or_overlaps_is_left_out(entity):
    html = rendered(tagged("Ana Bo", (0, 3, "PER"), entity), {"text": "Ana Bo"})
    assert re.sub(r"<span.*?</span>|<[^>]*>", "", html) == "Ana Bo"
    assert html.count("<mark") == 1


def test_an_answer_is_highlighted_inside_its_context():
    context = "The library opens at nine."
    html = rendered(answered(21, 25, "nine"), {"question": "When?", "context": context})
    assert re.findall(r"<mark[^>]*>([^<]*)<", html) == ["nine"]
    assert re.findall(r'class="ph-value">([^<]*)<', html) == ["nine"]
    assert "The library opens at " in html


def test_a_context_without_an_answer_is_said_to_have_none():
    html = rendered(answered(None, None, ""), {"question": "When?", "context": "The library."})
    assert "The text has no answer." in html
    assert "<mark" not in html


def test_the_best_tokens_of_each_mask_are_bars():
    fillings = (filling("cat", 0.6), filling("dog", 0.2))
    html = rendered(MaskedLMPrediction(text="a cat sat", masks=(fillings,)), {"text": "x"})
    assert "a cat sat" in html
    assert labels_in(html) == ["cat", "dog"]
    assert "Mask 1" not in html


def test_choices_are_bars_with_their_texts():
    prediction = MultipleChoicePrediction(
        choice=1, text="it rains", score=0.8, probabilities=(0.2, 0.8)
    )
    html = rendered(prediction, {"text": "wet", "choices": ["it is dry", "it rains"]})
    assert labels_in(html) == ["it rains", "it is dry"]
    assert html.index("ph-chosen") < html.index("it rains")


def test_a_number_is_shown_as_one():
    assert ">3.25<" in rendered(RegressionPrediction(score=3.25, values={"y": 3.25}), {})


def test_several_numbers_are_a_table():
    html = rendered(RegressionPrediction(score=1.0, values={"fluency": 1.0, "tone": -2.5}), {})
    assert re.findall(r"<t[hd][^>]*>([^<]*)<", html) == ["fluency", "1", "tone", "-2.5"]


def test_a_vector_is_cut_short_and_its_likeness_shown():
    html = rendered(EmbeddingPrediction(embedding=[0.5] * 20, similarity=0.875), {})
    assert "20 numbers: 0.500, " in html
    assert html.count("0.500") == 8
    assert "likeness 0.875" in html


class Arcs(Prediction):
    arcs: list[int]
    text: str


class OwnLabels(Prediction):
    label: str
    probabilities: dict[str, float]


class OtherProbabilities(Prediction):
    probabilities: str


def test_an_answer_of_a_kind_that_is_not_known_is_json():
    html = rendered(Arcs(arcs=[1, 2], text=ATTACK), {})
    assert "ph-json" in html
    assert "&quot;arcs&quot;" in html
    assert ESCAPED in html


def test_an_answer_with_the_fields_of_a_known_one_is_shown_like_it():
    html = rendered(OwnLabels(label="a", probabilities={"a": 0.5, "b": 0.5}), {})
    assert labels_in(html) == ["a", "b"]


def test_an_answer_whose_fields_only_have_the_names_is_json():
    assert "ph-json" in rendered(OtherProbabilities(probabilities="high"), {})


ATTACKED: list[tuple[BaseModel, dict]] = [
    (classified(ATTACK), {"text": "x"}),
    (MultilabelPrediction(labels=[ATTACK], probabilities={ATTACK: 1.0}), {"text": "x"}),
    (tagged(ATTACK, (0, 4, ATTACK)), {"text": ATTACK}),
    (answered(0, 4, ATTACK), {"question": ATTACK, "context": ATTACK}),
    (
        MaskedLMPrediction(text=ATTACK, masks=((filling(ATTACK, 1.0),),)),
        {"text": "x"},
    ),
    (
        MultipleChoicePrediction(choice=0, text=ATTACK, score=1.0, probabilities=(1.0,)),
        {"choices": [ATTACK]},
    ),
    (RegressionPrediction(score=1.0, values={ATTACK: 1.0, "b": 2.0}), {}),
    (Arcs(arcs=[], text=ATTACK), {}),
]


@pytest.mark.parametrize(("prediction", "example"), ATTACKED)
def test_what_looks_like_html_is_text(prediction, example):
    html = rendered(prediction, example)
    assert "<img" not in html
    assert "&lt;" in html


def test_quotes_do_not_end_an_attribute():
    html = rendered(tagged("Ana", (0, 3, '" onmouseover="alert(1)')), {"text": "Ana"})
    assert 'onmouseover="' not in html
