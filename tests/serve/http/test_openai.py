"""OpenAI's routes, and OpenAI's own client."""

import base64
import struct

import openai
import pytest


def embed(server, **body):
    return server.post("/v1/embeddings", {"model": "vectors", **body})


@pytest.mark.parametrize("texts", ["one text", ["one text"], ["one text", "and another"]])
def test_texts_are_embedded_as_the_library_does(server, predicted, texts):
    reply = embed(server, input=texts).json()
    expected = predicted([texts] if isinstance(texts, str) else texts, "vectors")
    assert reply["object"] == "list"
    assert reply["model"] == "vectors"
    assert [each["index"] for each in reply["data"]] == list(range(len(expected)))
    for found, right in zip(reply["data"], expected, strict=True):
        assert found["object"] == "embedding"
        assert found["embedding"] == pytest.approx(right["embedding"], abs=1e-5)
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["total_tokens"] > 0


def test_base64_is_the_same_numbers_as_float32(server):
    [plain] = embed(server, input="one text").json()["data"]
    [packed] = embed(server, input="one text", encoding_format="base64").json()["data"]
    raw = base64.b64decode(packed["embedding"])
    numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert list(numbers) == pytest.approx(plain["embedding"], rel=1e-6)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a", "dimensions": 8}, "dimensions"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "colour": "red"}, "colour"),
        ({"input": "a", "model": 5}, "model"),
    ],
)
def test_what_is_not_understood_is_refused_in_their_words(server, body, param):
    reply = embed(server, **body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert set(error) == {"message", "type", "param", "code"}


def test_token_ids_are_refused_by_their_name(server):
    assert "token ids" in embed(server, input=[1, 2]).json()["error"]["message"]


def test_a_text_that_cannot_be_embedded_is_an_error_of_the_whole(server):
    reply = embed(server, input=["fine", " "])
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_input"


def test_a_task_with_another_head_does_not_embed(server):
    reply = embed(server, model="mood", input="a")
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "wrong_head_kind"
    assert server.store.n_held == 0


def test_an_unknown_model_is_not_found(server):
    for name in ("nobody", "../vectors", "text-embedding-3-small"):
        reply = embed(server, model=name, input="a")
        assert reply.status_code == 404
        assert reply.json()["error"]["type"] == "invalid_request_error"


def test_models_are_listed_and_described(server):
    reply = server.get("/v1/models").json()
    assert [each["id"] for each in reply["data"]] == server.store.names()
    one = server.get("/v1/models/mood").json()
    assert one.keys() == {"id", "object", "created", "owned_by"}
    missing = server.get("/v1/models/nobody")
    assert missing.status_code == 404
    assert missing.json()["error"]["message"]


@pytest.fixture
def client(live):
    url = f"http://127.0.0.1:{live}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as made:
        yield made


def test_their_client_embeds_texts(client, predicted):
    texts = ["one text", "and another"]
    reply = client.embeddings.create(model="vectors", input=texts)
    expected = predicted(texts, "vectors")
    assert [each.embedding for each in reply.data] == [
        pytest.approx(each["embedding"], abs=1e-5) for each in expected
    ]
    assert reply.usage.prompt_tokens > 0
    floats = client.embeddings.create(model="vectors", input=texts, encoding_format="float")
    assert floats.data[1].embedding == pytest.approx(reply.data[1].embedding, abs=1e-6)


def test_their_client_lists_models(client):
    assert "vectors" in [model.id for model in client.models.list()]
    assert client.models.retrieve("vectors").owned_by == "polyhead"


def test_their_client_knows_our_errors(client):
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="a")
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="vectors", input="a", dimensions=4)
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="vectors", input=[1, 2])
