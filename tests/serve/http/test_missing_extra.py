"""Without the extra `serve` the server says what to install."""

import importlib
import sys

import pytest

from polyhead.errors import MissingExtraError


@pytest.mark.parametrize("package", ["fastapi", "prometheus_client", "fastapi_offline"])
def test_what_is_missing_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "polyhead.serve.http.app")
    with pytest.raises(MissingExtraError, match=rf"the server needs the package '{package}'"):
        importlib.import_module("polyhead.serve.http.app")
