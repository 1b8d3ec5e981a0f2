import inspect

from polyhead import heads
from polyhead.contracts import Head
from polyhead.heads.builtin import polyhead_register_heads


def test_the_hook_registers_every_head_of_the_package_once():
    found = []
    polyhead_register_heads(found.append)
    offered = [getattr(heads, name) for name in heads.__all__]
    assert sorted(head.kind for head in found) == sorted(
        thing.kind
        for thing in offered
        if inspect.isclass(thing) and issubclass(thing, Head) and not inspect.isabstract(thing)
    )
