import pytest

from polyhead.errors import UnknownKindError
from polyhead.heads import ClassificationHead
from polyhead.registry import registry
from polyhead.testing import ConformanceError
from polyhead.testing.registration import registered


def test_a_class_is_known_inside_and_forgotten_behind(good_head, good_adapter):
    with registered(good_head), registered(good_adapter):
        assert registry().head("under_test") is good_head
        assert registry().adapter("under_test") is good_adapter
    for find in (registry().head, registry().adapter):
        with pytest.raises(UnknownKindError):
            find("under_test")


def test_presets_are_forgotten_too(good_adapter):
    preset = good_adapter.Config(
        mh_adapter=True, output_adapter=False, reduction_factor=2, non_linearity="relu"
    )

    class Named(good_adapter):
        presets = {"under_test_small": preset}  # noqa: RUF012 - as the contract has it

    with registered(Named):
        assert registry().adapter_config("under_test_small") == preset
    assert "under_test_small" not in registry().adapter_presets()


def test_a_class_that_is_installed_stays(good_head):
    with registered(ClassificationHead):
        assert registry().head("classification") is ClassificationHead
    assert registry().head("classification") is ClassificationHead


def test_it_is_forgotten_when_a_test_fails(good_head):
    with pytest.raises(ZeroDivisionError), registered(good_head):
        raise ZeroDivisionError
    assert "under_test" not in registry().head_kinds()


def test_a_kind_that_another_class_has_is_refused(good_head):
    class Taken(good_head):
        kind = "classification"

    match = (
        r"the kind 'classification' of .*Taken is that of polyhead.heads.classification.head."
        "ClassificationHead, which is installed; give yours another kind"
    )
    with pytest.raises(ConformanceError, match=match), registered(Taken):
        pass
