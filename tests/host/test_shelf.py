import pytest

from polyhead.errors import DuplicateKindError
from polyhead.host import PluginRecord, Provider, Shelf


def record(name: str, **fields) -> PluginRecord:
    return PluginRecord("main", Provider(name, "1.0"), name, **fields)


@pytest.fixture
def shelf() -> Shelf[int]:
    return Shelf("head")


def test_a_claim_is_found_and_kept_in_its_record(shelf):
    one = record("one")
    shelf.add("ner", 1, one)
    assert shelf.get("ner").value == 1
    assert shelf.get("ner").record is one
    assert one.provides == ["head ner"]
    assert shelf.get("qa") is None


def test_names_are_sorted_and_disputed_ones_are_among_them(shelf):
    for name, plugin in (("b", "one"), ("a", "one"), ("a", "two")):
        shelf.add(name, 1, record(plugin))
    assert shelf.names() == ["a", "b"]
    assert shelf.undisputed() == {"b": 1}


def test_two_claims_are_refused_with_both_names_and_three_ways_out(shelf):
    one, two = record("one"), record("two")
    shelf.add("ner", 1, one)
    shelf.add("ner", 2, two)
    with pytest.raises(DuplicateKindError) as caught:
        shelf.get("ner")
    assert str(caught.value) == (
        "head 'ner' is claimed by one 1.0 (main) and two 1.0 (main); uninstall one of them, switch "
        "it off with POLYHEAD_DISABLE_PLUGINS=two, or rename its head."
    )
    assert one.conflicts == ["head ner: also claimed by two 1.0 (main)"]
    assert two.conflicts == ["head ner: also claimed by one 1.0 (main)"]
    assert (one.status, two.status) == ("conflict", "conflict")


def test_a_built_in_name_is_refused_at_once_and_stays_built_in(shelf):
    shelf.add("ner", 1, record("polyhead", is_builtin=True))
    other = record("other")
    with pytest.raises(DuplicateKindError, match=r"claimed by polyhead 1\.0 .main. and other"):
        shelf.add("ner", 2, other)
    assert shelf.get("ner").value == 1
    assert other.provides == []


def test_the_same_claim_twice_changes_nothing(shelf):
    one = record("one")
    shelf.add("ner", 1, one)
    shelf.add("ner", 1, one)
    assert shelf.get("ner").value == 1
    assert one.provides == ["head ner"]


def test_one_plugin_gives_a_name_to_one_thing(shelf):
    one = record("one")
    shelf.add("ner", 1, one)
    with pytest.raises(DuplicateKindError, match=r"one 1\.0 \(main\) registers two things as head"):
        shelf.add("ner", 2, one)
    assert shelf.get("ner").value == 1


def test_what_is_forgotten_leaves_the_others(shelf):
    one, two = record("one"), record("two")
    shelf.add("ner", 1, one)
    shelf.add("ner", 2, two)
    shelf.add("qa", 2, two)
    shelf.forget(two)
    assert shelf.names() == ["ner"]
    assert shelf.get("ner").value == 1
