"""The tests of an adapter, to be subclassed."""

from __future__ import annotations

from polyhead.testing.adapter_checks import AdapterChecks
from polyhead.testing.batch_checks import BatchChecks
from polyhead.testing.config_checks import ConfigChecks
from polyhead.testing.dtype_checks import DtypeChecks
from polyhead.testing.embeddings_checks import EmbeddingsChecks
from polyhead.testing.file_checks import FileChecks
from polyhead.testing.fusing_checks import FusingChecks
from polyhead.testing.gradient_checks import GradientChecks
from polyhead.testing.repeat_checks import RepeatChecks
from polyhead.testing.side_checks import SideChecks
from polyhead.testing.size_checks import SizeChecks
from polyhead.testing.tap_checks import TapChecks
from polyhead.testing.train_checks import TrainChecks
from polyhead.testing.weight_checks import WeightChecks

__all__ = ["AdapterConformance"]


class AdapterConformance(
    AdapterChecks,
    TapChecks,
    EmbeddingsChecks,
    WeightChecks,
    FusingChecks,
    SideChecks,
    ConfigChecks,
    FileChecks,
    BatchChecks,
    SizeChecks,
    GradientChecks,
    DtypeChecks,
    RepeatChecks,
    TrainChecks,
):
    """All that polyhead expects of a kind of adapter, as tests for pytest.

        from polyhead.testing import AdapterConformance


        class TestMyAdapter(AdapterConformance):
            adapter = MyAdapter
            configs = [MyAdapterConfig(), MyAdapterConfig(size=4)]

    Each check is one test for each configuration, and its failure says what to change. The adapter
    is tested under a built-in classification head, on texts of ours. The class need not be
    installed: it is registered while the tests run.

    A kind that fuses others is tested over two bottlenecks, or over what `fused` says.

    Attributes:
        adapter: The class under test; a subclass of `Adapter`, `SideAdapter` or `FusingAdapter`.
        config: Its configuration; or, for several, `configs`.
        configs: Its configurations; `config` alone when empty.
        is_neutral_at_first: Whether a fresh adapter is meant to change nothing.
        fused: For a kind that fuses others, what each of those is in the tests: a config, or a
            string.
        training: How the texts are learnt, for an adapter that needs longer.
    """
