import pytest

from polyhead.errors import UnknownPipelineError
from polyhead.pipelines import (
    PIPELINES,
    FeatureExtractionPipeline,
    FillMaskPipeline,
    QuestionAnsweringPipeline,
    TextClassificationPipeline,
    TokenClassificationPipeline,
)
from polyhead.pipelines.tasks import pipeline_for_head, pipeline_for_model, pipeline_named
from polyhead.registry import registry


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text-classification", TextClassificationPipeline),
        ("sentiment-analysis", TextClassificationPipeline),
        ("token-classification", TokenClassificationPipeline),
        ("ner", TokenClassificationPipeline),
        ("question-answering", QuestionAnsweringPipeline),
        ("fill-mask", FillMaskPipeline),
        ("feature-extraction", FeatureExtractionPipeline),
    ],
)
def test_every_documented_name_has_its_pipeline(name, expected):
    assert pipeline_named(name) is expected
    assert name in PIPELINES


@pytest.mark.parametrize("name", ["text-classificaton", "TEXT-CLASSIFICATION", "translation", ""])
def test_unknown_names_are_refused_with_those_there_are(name):
    with pytest.raises(UnknownPipelineError, match="'fill-mask', 'ner'") as caught:
        pipeline_named(name)
    assert caught.value.known == sorted(PIPELINES)


def test_a_mistyped_name_is_told_the_right_one():
    with pytest.raises(UnknownPipelineError, match=r"Did you mean 'text-classification'\?"):
        pipeline_named("text-classificaton")


def test_every_kind_of_head_but_one_has_its_pipeline():
    kinds = registry().head_kinds()
    assert [kind for kind in kinds if pipeline_for_head(kind) is None] == ["multiple_choice"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DistilBertModel", FeatureExtractionPipeline),
        ("BertModel", FeatureExtractionPipeline),
        ("DistilBertForMaskedLM", FillMaskPipeline),
        ("BertForTokenClassification", TokenClassificationPipeline),
        ("DistilBertForMultipleChoice", None),
        ("GPT2LMHeadModel", None),
    ],
)
def test_the_class_of_a_model_tells_its_pipeline(name, expected):
    assert pipeline_for_model(name) is expected
