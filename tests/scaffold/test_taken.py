"""A new plugin cannot have the name of what is installed."""

import pytest

from polyhead.errors import NameTakenError
from polyhead.registry import Registry, registry
from polyhead.scaffold import PluginNames, check_untaken


@pytest.mark.parametrize(
    ("name", "sort", "message"),
    [
        ("PyTest", "head", r"the distribution pytest \d.* is installed; choose another name"),
        ("polyhead", "head", "the distribution polyhead .* is installed"),
        ("sklearn", "head", "a package sklearn is installed, in .*sklearn"),
        ("test", "head", "a package test is installed"),
        ("classification", "head", r"the head kind 'classification' is that of polyhead \d"),
        ("polyhead-tagging", "head", "the head kind 'tagging' is that of polyhead"),
        ("bottleneck", "adapter", "the adapter kind 'bottleneck' is that of polyhead"),
        ("seq-bn", "adapter", "'seq_bn' is the name of an adapter preset"),
    ],
)
def test_what_is_there_is_refused_with_its_owner(name, sort, message):
    with pytest.raises(NameTakenError, match=message):
        check_untaken(PluginNames.of(name, sort), registry())


@pytest.mark.parametrize(("name", "sort"), [("my-head", "head"), ("classification", "adapter")])
def test_other_names_are_free(name, sort):
    check_untaken(PluginNames.of(name, sort), registry())


def test_a_folder_of_that_name_takes_nothing(tmp_path, monkeypatch):
    (tmp_path / "my_head").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    check_untaken(PluginNames.of("my-head", "head"), registry())


def test_a_kind_that_several_plugins_claim_is_taken_too(monkeypatch):
    def disputed(self: Registry, kind: str) -> None:
        raise NameTakenError(kind)

    monkeypatch.setattr(Registry, "provider_of_head", disputed)
    with pytest.raises(NameTakenError, match="that of several plugins"):
        check_untaken(PluginNames.of("classification", "head"), registry())
