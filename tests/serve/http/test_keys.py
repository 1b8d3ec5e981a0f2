"""Who gets in."""

import hmac

import pytest

from polyhead.errors import ConfigError
from polyhead.serve.http import ServerSettings
from polyhead.serve.http.keys import Keys

ASK = {"task": "mood", "inputs": ["a"]}
OPEN = [
    "/livez",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/favicon.ico",
    "/v2/health/live",
]
CLOSED = ["/v1/tasks", "/v1/tasks/mood", "/v1/models", "/v2", "/v2/models/mood", "/nothing", "/"]


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def locked(make_server):
    return make_server(api_keys=["one", "two"], admin_keys=["boss"])


@pytest.mark.parametrize("path", OPEN)
def test_health_and_documentation_take_no_key(locked, path):
    assert locked.get(path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_takes_one(locked, path):
    reply = locked.get(path)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert locked.get(path, headers=bearer("one")).status_code != 401


@pytest.mark.parametrize(
    "headers",
    [
        bearer("one"),
        bearer("two"),
        bearer("boss"),
        {"Authorization": "bearer  one "},
        {"X-API-Key": "two"},
    ],
)
def test_any_of_the_keys_opens(locked, headers):
    assert locked.post("/v1/predict", ASK, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("three"),
        bearer("onetwo"),
        bearer("on"),
        bearer(""),
        bearer("ONE"),
        {"Authorization": "one"},
        {"Authorization": "Basic b25lOm9uZQ=="},
        {"X-API-Key": ""},
        {"X-API-Key": "öne".encode()},
    ],
)
def test_nothing_else_does(locked, headers):
    reply = locked.post("/v1/predict", ASK, headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "no_key"


def test_metrics_can_be_closed_too(make_server):
    server = make_server(api_keys=["one"], protect_metrics=True)
    assert server.get("/metrics").status_code == 401
    assert server.get("/metrics", headers=bearer("one")).status_code == 200


def test_closed_metrics_without_api_keys_take_the_admin_key(make_server):
    server = make_server(admin_keys=["boss"], protect_metrics=True)
    assert server.get("/metrics").status_code == 401
    assert server.get("/metrics", headers=bearer("boss")).status_code == 200


def test_a_key_is_asked_before_there_is_room(locked, monkeypatch):
    monkeypatch.setattr(locked.engine, "check_room", lambda priority: pytest.fail("was asked"))
    assert locked.post("/v1/predict", ASK).status_code == 401


def test_each_key_is_compared_whichever_is_right(monkeypatch):
    compared = []
    real = hmac.compare_digest

    def compare(one, other):
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    settings = ServerSettings.of(api_keys=["a", "b"], admin_keys=["c"])
    keys = Keys(settings.api_keys, settings.admin_keys)
    for given, level in ((b"a", "api"), (b"c", "admin"), (b"wrong", "nobody")):
        compared.clear()
        assert keys.level_of({"headers": [(b"x-api-key", given)]}) == level
        assert len(compared) == 3
        assert {len(each) for each in compared} == {32}


@pytest.mark.parametrize("key", ["", "a key", "käse", "a\n", "x" * 513])
def test_what_cannot_be_sent_is_no_key(key):
    with pytest.raises(ConfigError, match="a key is 1 to 512 ASCII characters") as caught:
        ServerSettings.of(api_keys=["good-key", key])
    assert "good-key" not in str(caught.value)


def test_settings_do_not_show_their_keys():
    assert "hush" not in repr(ServerSettings.of(api_keys=["hush"], admin_keys=["hush-hush"]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_rows": 0},
        {"max_body_bytes": -1},
        {"default_timeout_s": 0},
        {"colour": "red"},
        {"protect_metrics": True},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="not settings of a server"):
        ServerSettings.of(**wrong)
