"""The tests of a head, to be subclassed."""

from __future__ import annotations

from polyhead.testing.answer_checks import AnswerChecks
from polyhead.testing.batch_checks import BatchChecks
from polyhead.testing.config_checks import ConfigChecks
from polyhead.testing.dtype_checks import DtypeChecks
from polyhead.testing.example_checks import ExampleChecks
from polyhead.testing.file_checks import FileChecks
from polyhead.testing.gradient_checks import GradientChecks
from polyhead.testing.metrics_checks import MetricsChecks
from polyhead.testing.repeat_checks import RepeatChecks
from polyhead.testing.setup_checks import SetupChecks
from polyhead.testing.size_checks import SizeChecks

__all__ = ["HeadConformance"]


class HeadConformance(
    ExampleChecks,
    AnswerChecks,
    MetricsChecks,
    SetupChecks,
    ConfigChecks,
    FileChecks,
    BatchChecks,
    SizeChecks,
    GradientChecks,
    DtypeChecks,
    RepeatChecks,
):
    """All that polyhead expects of a head, as tests for pytest.

        from polyhead.testing import HeadConformance


        class TestMyHead(HeadConformance):
            head = MyHead
            config = MyHeadConfig(labels=("no", "yes"))
            examples = [("a good day", "yes"), ("a bad day", "no"), ...]

    Each check is one test for each configuration, and its failure says what to change. The class
    need not be installed: it is registered while the tests run.

    Attributes:
        head: The class under test.
        config: Its configuration; or, for several, `configs`.
        configs: Its configurations; `config` alone when empty.
        examples: Labelled examples, at least four: instances, mappings or tuples.
        questions: What it is to answer, where these cannot be the examples without their labels:
            for a language model, texts with gaps.
        refused: Examples that it must refuse with an InputError, if there are such.
        training: How the examples are learnt, for a task that needs longer.
    """
