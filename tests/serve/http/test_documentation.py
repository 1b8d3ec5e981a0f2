"""The OpenAPI document and its page."""

import re

import pytest

from polyhead.registry import registry


@pytest.fixture
def page(server):
    return server.get("/openapi.json").json()


def test_every_route_and_each_of_its_errors_is_declared(server, page):
    assert page["openapi"].startswith("3.1")
    for path, status in (("/v1/predict", "429"), ("/v1/embeddings", "429"), ("/livez", "503")):
        [operation] = page["paths"][path].values()
        assert status in operation["responses"]
    asking = page["paths"]["/v1/predict"]["post"]["responses"]
    assert set(asking) == {
        *("200", "400", "401", "404", "413", "415", "422", "429", "500", "503", "504")
    }
    assert "Retry-After" in asking["429"]["headers"]


def test_each_kind_of_head_has_an_example_that_is_real(page):
    operation = page["paths"]["/v1/predict"]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["examples"]
    told = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert set(asked) == set(told) == set(registry().head_kinds())
    for kind, example in told.items():
        task = asked[kind]["value"]["task"]
        [row] = example["value"]["results"]
        assert row["answers"][task], kind
        assert example["value"]["usage"]["n_tokens"] > 0
    answer = told["classification"]["value"]["results"][0]["answers"]["my-classification"]
    assert set(answer) == {"label", "score", "probabilities"}


def test_every_reference_leads_somewhere(page):
    text = str(page)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in page["components"]["schemas"]


def test_a_kind_that_answers_nothing_is_shown_without_an_answer(make_server, monkeypatch):
    monkeypatch.setattr("polyhead.serve.http.head_examples._OPTIONS", ())
    page = make_server().get("/openapi.json").json()
    operation = page["paths"]["/v1/predict"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["examples"]["tagging"]
    assert operation["responses"]["200"]["content"]["application/json"]["examples"] == {}


def test_it_is_made_once(server, monkeypatch):
    first = server.get("/openapi.json").text
    monkeypatch.setattr(
        "polyhead.serve.http.documentation.head_examples", lambda model: pytest.fail("again")
    )
    assert server.get("/openapi.json").text == first


def test_keys_are_demanded_where_they_are_needed(make_server):
    open_page = make_server().get("/openapi.json").json()["paths"]
    assert "security" not in open_page["/v1/predict"]["post"]
    assert open_page["/v1/admin/refresh"]["post"]["security"]
    locked = make_server(api_keys=["one"]).get("/openapi.json").json()["paths"]
    assert locked["/v1/predict"]["post"]["security"]
    assert "security" not in locked["/livez"]["get"]


def test_the_page_fetches_nothing_from_elsewhere(server):
    page = server.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 3
    for link in links:
        assert link.startswith("/"), link
        reply = server.get(link)
        assert reply.status_code == 200, link
        assert len(reply.content) > 100
    assert "http" not in re.sub(r"http-equiv", "", page.text)


def test_assets_lead_nowhere_else(server):
    for path in ("../__init__.py", "%2e%2e/__init__.py", "..%2f__init__.py", "/etc/passwd"):
        assert server.get(f"/docs/assets/{path}").status_code == 404
