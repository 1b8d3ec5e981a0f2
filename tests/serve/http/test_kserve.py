"""KServe's open inference protocol."""

import json

import pytest


def tensor(name, data, shape=None):
    shape = shape if shape is not None else [len(data)]
    return {"name": name, "shape": shape, "datatype": "BYTES", "data": data}


def infer(server, task, *inputs, path="", **more):
    return server.post(f"/v2/models/{task}{path}/infer", {"inputs": list(inputs), **more})


def test_the_server_says_what_it_is(server):
    about = server.get("/v2").json()
    assert about["name"] == "polyhead"
    assert about["version"]
    assert about["extensions"] == ["model_repository"]


def test_a_model_says_what_it_takes(server, version):
    about = server.get("/v2/models/choice").json()
    assert about["versions"] == [server.store.describe("choice").version]
    assert {each["name"]: each["shape"] for each in about["inputs"]} == {
        "text": [-1],
        "choices": [-1, -1],
    }
    assert server.get(f"/v2/models/mood/versions/{version}").json()["inputs"] == [
        {"name": "text", "datatype": "BYTES", "shape": [-1]},
        {"name": "text_pair", "datatype": "BYTES", "shape": [-1]},
    ]
    assert about["outputs"][0] == {"name": "prediction", "datatype": "BYTES", "shape": [-1]}


@pytest.mark.parametrize("end", ["", "/ready"])
def test_an_unknown_model_or_version_is_said_in_its_words(server, end):
    for path in ("nobody", "%2e%2e", "mood/versions/v9"):
        reply = server.get(f"/v2/models/{path}{end}")
        assert reply.status_code == 404
        assert isinstance(reply.json()["error"], str)


def test_a_model_is_ready_unless_it_is_damaged(server, version):
    assert server.get("/v2/models/mood/ready").json() == {"name": "mood", "ready": True}
    assert server.get(f"/v2/models/mood/versions/{version}/ready").status_code == 200
    reply = server.get("/v2/models/damaged/ready")
    assert reply.status_code == 503
    assert reply.json()["ready"] is False


@pytest.mark.parametrize(
    ("data", "shape"),
    [(["one", "two"], [2]), (["one", "two"], [2, 1]), ([["one"], ["two"]], [2, 1])],
)
def test_texts_are_answered_in_any_of_their_shapes(server, predicted, version, data, shape):
    reply = infer(server, "mood", tensor("text", data, shape), id="7").json()
    assert (reply["model_name"], reply["model_version"], reply["id"]) == ("mood", version, "7")
    outputs = {each["name"]: each for each in reply["outputs"]}
    expected = predicted(["one", "two"], "mood")
    assert [json.loads(text)["label"] for text in outputs["prediction"]["data"]] == [
        each["label"] for each in expected
    ]
    assert outputs["label"]["datatype"] == "BYTES"
    assert outputs["score"]["datatype"] == "FP64"
    assert outputs["score"]["data"] == pytest.approx([each["score"] for each in expected], abs=1e-4)
    assert all(each["shape"] == [2] for each in outputs.values())


def test_fields_of_an_example_are_tensors_of_their_names(server):
    two = infer(server, "mood", tensor("text", ["a"]), tensor("text_pair", ["b"]))
    assert two.status_code == 200
    asked = infer(
        server, "answers", tensor("question", ["who came?"]), tensor("context", ["nobody came."])
    )
    assert asked.status_code == 200
    assert "text" in {each["name"] for each in asked.json()["outputs"]}
    chosen = infer(
        server,
        "choice",
        tensor("text", ["a", "b"]),
        tensor("choices", ["c", "d", "e", "f"], [2, 2]),
    )
    outputs = {each["name"]: each for each in chosen.json()["outputs"]}
    assert outputs["choice"]["datatype"] == "INT64"
    assert len(outputs["choice"]["data"]) == 2


def test_only_the_outputs_that_are_wanted_come(server):
    wanted = [{"name": "score"}, {"name": "label"}]
    reply = infer(server, "mood", tensor("text", ["a"]), outputs=wanted).json()
    assert [each["name"] for each in reply["outputs"]] == ["score", "label"]


def test_a_version_may_be_named(server, version):
    assert (
        infer(server, "mood", tensor("text", ["a"]), path=f"/versions/{version}").status_code == 200
    )
    assert infer(server, "mood", tensor("text", ["a"]), path="/versions/v9").status_code == 404


def test_parameters_of_other_servers_are_passed_over(server):
    parameters = {"timeout_s": 5, "priority": "bulk", "sequence_id": 4}
    assert infer(server, "mood", tensor("text", ["a"]), parameters=parameters).status_code == 200


@pytest.mark.parametrize(
    ("inputs", "more", "status", "says"),
    [
        ([], {}, 422, "at least 1 item"),
        ([tensor("text", [])], {}, 422, "have no rows"),
        ([tensor("text", ["a"], [2])], {}, 422, "has 1 texts, which is not its shape [2]"),
        ([tensor("text", ["a"], [-1])], {}, 422, "not its shape"),
        ([tensor("text", ["a"], [1, 1, 1])], {}, 422, "at most 2 items"),
        ([tensor("text", [5])], {}, 422, "holds 5, which is no text"),
        ([tensor("text", [None])], {}, 422, "holds None, which is no text"),
        ([tensor("text", [["a"], "b"], [3])], {}, 422, "not its shape"),
        ([tensor("text", ["a"]), tensor("text", ["b"])], {}, 422, "the same name"),
        ([tensor("text", ["a"]), tensor("text_pair", ["b", "c"])], {}, 422, "different numbers"),
        ([tensor("words", ["a"])], {}, 422, "unknown field 'words'"),
        ([tensor("text", ["a", ""])], {}, 422, "the text has no words"),
        ([{**tensor("text", ["a"]), "datatype": "FP32"}], {}, 422, "datatype"),
        ([tensor("text", ["a"])], {"outputs": [{"name": "logits"}]}, 422, "no output 'logits'"),
        ([tensor("text", ["a"])], {"parameters": {"timeout_s": -1}}, 422, "parameters.timeout_s"),
        ([tensor("text", ["a"])], {"parameters": {"priority": "x"}}, 422, "parameters.priority"),
    ],
)
def test_a_request_that_is_wrong_is_refused_as_a_whole(server, inputs, more, status, says):
    reply = infer(server, "mood", *inputs, **more)
    assert reply.status_code == status
    assert says in reply.json()["error"]
    assert server.store.n_held == 0


def test_too_many_rows_are_refused(make_server):
    server = make_server(max_rows=2)
    reply = infer(server, "mood", tensor("text", ["a", "b", "c"]))
    assert reply.status_code == 413
    assert isinstance(reply.json()["error"], str)


def test_a_damaged_model_is_unavailable(server):
    reply = infer(server, "damaged", tensor("text", ["a"]))
    assert reply.status_code == 503
    assert "damaged" in reply.json()["error"]


def test_the_index_lists_all_models(server, version):
    for name in server.store.names():
        server.store.unload(name)
    found = {each["name"]: each for each in server.post("/v2/repository/index").json()}
    assert sorted(found) == server.store.names()
    assert found["mood"] == {
        "name": "mood",
        "version": version,
        "state": "UNAVAILABLE",
        "reason": "not in memory",
    }
    server.store.load("mood")
    assert found["damaged"]["state"] == "UNAVAILABLE"
    assert "damaged" in found["damaged"]["reason"]
    ready = server.post("/v2/repository/index", {"ready": True}).json()
    assert ready == [{"name": "mood", "version": version, "state": "READY", "reason": ""}]
