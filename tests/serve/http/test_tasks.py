"""What is known of tasks."""


def test_all_tasks_are_listed(server, version):
    found = {task.pop("name"): task for task in server.get("/v1/tasks").json()["tasks"]}
    assert sorted(found) == server.store.names()
    assert found["mood"] == {"head_kind": "classification", "state": "on_disk", "version": version}
    assert found["damaged"]["state"] == "damaged"


def test_a_task_is_described(server, version):
    about = server.get("/v1/tasks/mood").json()
    assert about["name"] == "mood"
    assert about["example"] == {"text": "a text of yours"}
    assert about["versions"][0]["version"] == version
    assert about["labels"] == ["bad", "good"]
    assert about["adapter_kind"] == "bottleneck"
    assert about["schemas"]["example"]["properties"]["text"]
    assert about["schemas"]["prediction"]["properties"]["score"]
    assert about["card"]


def test_the_example_of_a_task_is_one_that_it_answers(server):
    for name in server.store.names():
        example = server.get(f"/v1/tasks/{name}").json()["example"]
        if example:
            reply = server.post(f"/v1/tasks/{name}/predict", {"inputs": [example]})
            assert reply.status_code == 200, name


def test_a_task_that_is_not_there(server):
    for name in ("nobody", "%2e%2e%2fmood", "x" * 65, "mo%00od"):
        reply = server.get(f"/v1/tasks/{name}")
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] in {"unknown_task", "not_found"}
