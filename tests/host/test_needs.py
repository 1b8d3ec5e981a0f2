"""A plugin that needs a newer polyhead is refused with a sentence, and no other is."""

import sys
from importlib.metadata import version

import pytest

from polyhead.errors import ContractError, NewerPluginError
from polyhead.host import needs
from polyhead.host.needs import check_api, check_api_in_source, check_requirements

OURS = version("polyhead")


class Distribution:
    """What `check_requirements` asks of one."""

    def __init__(self, *requires):
        self.requires = list(requires) or None


class Plugin:
    """One that may say what it needs."""

    def __init__(self, number=None):
        if number is not None:
            self.POLYHEAD_API = number


@pytest.fixture
def ours(monkeypatch):
    """Pretends to be another version."""
    return lambda number: monkeypatch.setattr(needs, "version", lambda name: number)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("polyhead>=9", ">=9"),
        ("Polyhead (>=9)", ">=9"),
        ("polyhead[train]>=9,<10", "<10,>=9"),
        ("polyhead>9", ">9"),
        ("polyhead==9.*", "==9.*"),
        ("polyhead~=9.1", "~=9.1"),
        ("polyhead>=9; python_version >= '3'", ">=9"),
    ],
)
def test_a_distribution_that_requires_a_newer_one_is_refused(line, shown):
    with pytest.raises(NewerPluginError) as caught:
        check_requirements(Distribution("torch>=2", line))
    assert str(caught.value) == (
        f"it requires polyhead{shown} and this is polyhead {OURS}; upgrade it: pip install "
        f"'polyhead{shown}'."
    )


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("polyhead",),
        (f"polyhead>={OURS}",),
        (f"polyhead=={OURS}",),
        ("polyhead>=0.0.1",),
        ("polyhead<0.0.1",),
        ("polyhead!=9",),
        ("polyhead-crf>=9",),
        ("torch>=999",),
        ("polyhead>=9; extra == 'dev'",),
        ("polyhead>=9; python_version < '3'",),
        ("polyhead @ https://example.org/polyhead.whl",),
        ("no requirement at all >>",),
        ("polyhead===strange",),
        ("polyhead>=9; nonsense == 'x'",),
    ],
)
def test_what_does_not_surely_need_a_newer_one_passes(lines):
    check_requirements(Distribution(*lines))


@pytest.mark.parametrize(
    ("own", "line", "is_refused"),
    [
        ("0.2.0.dev3", "polyhead>=0.2", False),
        ("0.2.0rc1", "polyhead>=0.2.0", False),
        ("0.2.0+local", "polyhead==0.2.0", False),
        ("0.2.0.dev3", "polyhead>=0.2.1", True),
        ("0.9", "polyhead>=0.10", True),
        ("1.0", "polyhead==0.5", False),
        ("strange", "polyhead>=9", False),
    ],
)
def test_a_development_version_counts_as_its_release(own, line, is_refused, ours):
    ours(own)
    if is_refused:
        with pytest.raises(NewerPluginError):
            check_requirements(Distribution(line))
    else:
        check_requirements(Distribution(line))


def test_a_plugin_says_by_number_which_api_it_needs(monkeypatch):
    check_api(Plugin(), "nowhere")
    check_api(Plugin(1), "nowhere")
    with pytest.raises(NewerPluginError) as caught:
        check_api(Plugin(2), "nowhere")
    assert str(caught.value) == (
        f"it needs version 2 of the plugin API and polyhead {OURS} has version 1; upgrade it: pip "
        "install --upgrade polyhead."
    )
    monkeypatch.setitem(sys.modules, "its_module", Plugin(3))
    with pytest.raises(NewerPluginError, match="needs version 3"):
        check_api(Plugin(), "its_module")


@pytest.mark.parametrize("number", [0, -1, 1.0, "1", "2.0", True, (1,), [2]])
def test_an_api_that_is_no_number_from_1_is_refused(number):
    with pytest.raises(ContractError, match="a whole number from 1, not "):
        check_api(Plugin(number), "nowhere")


def raised_by(tmp_path, source: str) -> BaseException:
    """What running the module raises, with its traceback."""
    path = tmp_path / "module.py"
    path.write_text(source)
    try:
        exec(compile(source, str(path), "exec"), {"__name__": "its_module"})  # noqa: S102
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "line", ["POLYHEAD_API = 7", "POLYHEAD_API: int = 7", "A = POLYHEAD_API = 7"]
)
def test_a_module_that_fails_for_want_of_a_newer_one_is_still_understood(line, tmp_path):
    error = raised_by(tmp_path, f"import polyhead\npolyhead.NotYet\n{line}\n")
    with pytest.raises(NewerPluginError, match="needs version 7"):
        check_api_in_source(error, "its_module")
    check_api_in_source(error, "another_module")


@pytest.mark.parametrize(
    "line",
    ["", "POLYHEAD_API = 1", "POLYHEAD_API = '7'", "POLYHEAD_API = 3 + 4", "POLYHEAD_API: int"],
)
def test_a_module_that_fails_for_its_own_reasons_keeps_them(line, tmp_path):
    check_api_in_source(raised_by(tmp_path, f"1 / 0\n{line}\n"), "its_module")
