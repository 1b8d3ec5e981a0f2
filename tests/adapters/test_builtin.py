import polyhead.adapters
from polyhead.adapters import BottleneckAdapter
from polyhead.adapters.builtin import polyhead_register_adapters
from polyhead.registry import Registry


def test_the_hook_registers_every_kind_of_the_package():
    found = []
    polyhead_register_adapters(found.append)
    kinds = [name for name in polyhead.adapters.__all__ if name.endswith("Adapter")]
    assert [kind.__name__ for kind in found] == kinds


def test_built_in_kinds_and_presets_come_from_polyhead_itself():
    kinds = Registry(entry_points=False)
    assert kinds.adapter("bottleneck") is BottleneckAdapter
    assert kinds.provider_of_adapter("bottleneck").distribution == "polyhead"
    record = next(
        plugin for plugin in kinds.plugins() if plugin.name == "polyhead.adapters.builtin"
    )
    assert record.failure is None
    assert {"adapter bottleneck", "preset seq_bn", "preset houlsby"} <= set(record.provides)
