"""Tasks changed with a key."""

import pytest

KEY = {"Authorization": "Bearer boss"}
CHANGES = ["load", "unload", "pin", "unpin", "rollback"]
ROUTES = [
    *(f"/v1/admin/tasks/mood/{change}" for change in CHANGES),
    "/v1/admin/refresh",
    "/v1/admin/nothing",
    "/v2/repository/models/mood/load",
    "/v2/repository/models/mood/unload",
]


@pytest.fixture
def managed(make_server):
    return make_server(api_keys=["one"], admin_keys=["boss"])


@pytest.mark.parametrize("path", ROUTES)
def test_without_an_admin_key_in_the_server_nobody_may(make_server, path):
    server = make_server(api_keys=["one"])
    for headers in ({}, {"X-API-Key": "one"}, KEY):
        reply = server.post(path, headers=headers)
        assert reply.status_code == 403
        assert "without an admin key" in reply.text
    assert server.store.calls == []


@pytest.mark.parametrize("path", ROUTES)
def test_without_the_key_in_the_request_nothing_is_changed(managed, path):
    assert managed.post(path).status_code == 401
    assert managed.post(path, headers={"X-API-Key": "wrong"}).status_code == 401
    reply = managed.post(path, headers={"X-API-Key": "one"})
    assert reply.status_code == 403
    assert "this key may ask tasks" in reply.text
    assert managed.store.calls == []


@pytest.mark.parametrize("change", ["load", "unload", "pin", "unpin"])
def test_each_change_reaches_the_store(managed, change):
    reply = managed.post(f"/v1/admin/tasks/mood/{change}", headers=KEY)
    assert reply.status_code == 200
    assert reply.json()["name"] == "mood"
    assert managed.store.calls[0][:2] == (change, "mood")


def test_a_rollback_to_nothing_is_refused(managed):
    reply = managed.post("/v1/admin/tasks/mood/rollback", headers=KEY)
    assert reply.status_code == 422
    assert "has no version before" in reply.json()["error"]["message"]


def test_a_rollback_may_name_its_version(managed):
    reply = managed.post("/v1/admin/tasks/mood/rollback", {"version": "v0"}, headers=KEY)
    assert reply.status_code == 404
    managed.post("/v1/admin/tasks/mood/rollback", {}, headers=KEY)
    assert managed.store.calls == [("rollback", "mood", "v0"), ("rollback", "mood", None)]


@pytest.mark.parametrize("body", [{"version": 5}, {"to": "v0"}, []])
def test_a_rollback_to_what_is_no_version_is_refused(managed, body):
    reply = managed.post("/v1/admin/tasks/mood/rollback", body, headers=KEY)
    assert reply.status_code == 422
    assert managed.store.calls == []


def test_a_refresh_says_which_tasks_there_are(managed):
    reply = managed.post("/v1/admin/refresh", headers=KEY)
    assert "mood" in reply.json()["tasks"]
    assert managed.store.calls == [("refresh",)]


@pytest.mark.parametrize("name", ["nobody", "%2e%2e", "a%20b", "x" * 65])
def test_a_task_that_is_not_there_is_not_changed(managed, name):
    assert managed.post(f"/v1/admin/tasks/{name}/load", headers=KEY).status_code == 404
    assert managed.post(f"/v2/repository/models/{name}/load", headers=KEY).status_code == 404


def test_kserve_loads_and_unloads(managed):
    assert managed.post("/v2/repository/models/mood/load", headers=KEY).json() == {}
    assert managed.post("/v2/repository/models/mood/unload", headers=KEY).json() == {}
    assert managed.store.calls == [("load", "mood"), ("unload", "mood")]
