"""polyhead's own checks of an adapter."""

from polyhead_ladder import LadderAdapter, LadderConfig

from polyhead.testing import AdapterConformance


class TestLadderAdapter(AdapterConformance):
    """With every layer as a rung, with some; with attention, with feed-forward networks, bare."""

    adapter = LadderAdapter
    configs = (
        LadderConfig(layers="all"),
        LadderConfig(),
        LadderConfig(layers="all", heads=2, ffn_factor=2, reduction_factor=4, dropout=0.1),
        LadderConfig(layers=(0,), attention=False),
    )
    is_neutral_at_first = True
