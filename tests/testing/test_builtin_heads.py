"""Every head that polyhead comes with passes the checks that it asks of others."""

from polyhead.heads import (
    ClassificationHead,
    ClassificationHeadConfig,
    EmbeddingHead,
    EmbeddingHeadConfig,
    MaskedLMHead,
    MaskedLMHeadConfig,
    MultilabelHead,
    MultilabelHeadConfig,
    MultipleChoiceHead,
    MultipleChoiceHeadConfig,
    QuestionAnsweringHead,
    QuestionAnsweringHeadConfig,
    RegressionHead,
    RegressionHeadConfig,
    TaggingHead,
    TaggingHeadConfig,
    TextExample,
)
from polyhead.testing import HeadConformance


class TestClassificationHead(HeadConformance):
    head = ClassificationHead
    configs = (
        ClassificationHeadConfig(labels=("bad", "good"), class_weights=(1.0, 2.0)),
        ClassificationHeadConfig(labels=("bad", "good"), layers=1, pooling="cls", hidden="mix"),
    )
    examples = (
        {"text": "a good day", "label": "good"},
        {"text": "the weather was bad, the food was worse", "label": "bad"},
        TextExample(text="good", label="good"),
        ("bad news", "for all of us", "bad"),
    )
    refused = ({"text": "a text", "label": ""}, {"no": "text"})


class TestMultilabelHead(HeadConformance):
    head = MultilabelHead
    config = MultilabelHeadConfig(labels=("food", "weather"), threshold={"food": 0.4})
    examples = (
        ("a warm day", None, ["weather"]),
        ("rain", "and cold soup", ["weather", "food"]),
        ("a train", None, []),
        {"text": "bread", "labels": "food"},
    )


class TestRegressionHead(HeadConformance):
    head = RegressionHead
    configs = (
        RegressionHeadConfig(),
        RegressionHeadConfig(target_mean=3.0, target_scale=2.0, pooling="max"),
    )
    examples = (
        ("a good day", None, 5.0),
        ("a bad day", None, 1.0),
        ("a day like others", "no more", 3),
        {"text": "best", "label": "4.5"},
    )
    refused = (("a day", None, (1.0, 2.0)),)


class TestTaggingHead(HeadConformance):
    head = TaggingHead
    configs = (
        TaggingHeadConfig(labels=("O", "B-PER", "I-PER")),
        TaggingHeadConfig(labels=("O", "B-PER", "I-PER"), hidden="last", context=0, layers=1),
    )
    examples = (
        {"tokens": ["Ada", "Lovelace", "wrote", "it"], "tags": ["B-PER", "I-PER", "O", "O"]},
        {"tokens": ["nobody"], "tags": ["O"]},
        {"tokens": ["ask", "Charles"], "tags": ["O", "B-PER"]},
        {"text": "Grace met Ada", "entities": [(0, 5, "PER"), (10, 13, "PER")]},
    )


class TestQuestionAnsweringHead(HeadConformance):
    head = QuestionAnsweringHead
    configs = (QuestionAnsweringHeadConfig(), QuestionAnsweringHeadConfig(null_answers=True))
    examples = tuple(
        {
            "question": f"Where is {who}?",
            "context": context,
            "answers": [{"text": where, "answer_start": context.index(where)}],
        }
        for who, where, context in (
            ("Ada", "London", "Ada lives in London, near the river, and writes letters."),
            ("Ben", "the garden", "Ben has been in the garden since nine."),
            ("Cy", "here", "Cy is here."),
            ("Di", "at sea", "Di went to the coast last week, and now she is at sea."),
        )
    )
    refused = (
        {**examples[0], "answers": [{"text": "Paris", "answer_start": 0}]},
        {**examples[0], "context": " "},
    )


class TestMultipleChoiceHead(HeadConformance):
    head = MultipleChoiceHead
    config = MultipleChoiceHeadConfig(layers=1)
    examples = (
        ("the cat sat on", ["the mat", "the moon"], 0),
        ("we ate", ["soup", "stones", "a train"], "soup"),
        (None, ["water is wet", "water is dry"], 0),
        ("it rained, so", ["we stayed in", "we swam to the sun"], 0),
    )
    refused = (("the cat", ["a", "b"], 2), ("the cat", ["a", "b"], "c"))


class TestEmbeddingHead(HeadConformance):
    head = EmbeddingHead
    configs = (EmbeddingHeadConfig(), EmbeddingHeadConfig(projection=8, pooling="cls"))
    examples = (
        ("where is the cat", "the cat sits on the mat"),
        ("what did we eat", "there was soup"),
        ("how was the weather", "it rained all day"),
        {"text": "who came", "text_pair": "Ada did", "negatives": ["it rained"]},
    )


class TestScoredEmbeddingHead(HeadConformance):
    head = EmbeddingHead
    configs = (
        EmbeddingHeadConfig(loss="cosent"),
        EmbeddingHeadConfig(loss="cosine", score_range=(0, 5), projection=8),
    )
    examples = (
        ("a cat sits", "a cat is sitting", 5),
        ("a cat sits", "it rains", 0),
        ("we ate soup", "there was soup", 4),
        ("we ate soup", "the train is late", 1),
    )


class TestMaskedLMHead(HeadConformance):
    head = MaskedLMHead
    configs = (MaskedLMHeadConfig(), MaskedLMHeadConfig(whole_words=True, hidden=2))
    examples = ("the cat sat on the mat", "it rained all day", "we ate soup", "a train")
    questions = ("the [MASK] sat on the mat", "it [MASK] all [MASK]", "[MASK]", "a [MASK]")
    refused = ("", " ")
