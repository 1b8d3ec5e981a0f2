"""The server against its own OpenAPI document: no 5xx, no reply undeclared."""

from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

KEY = {"Authorization": "Bearer boss"}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]


@pytest.fixture
def api(make_server):
    server = make_server(admin_keys=["boss"])
    return schemathesis.openapi.from_asgi("/openapi.json", server.app)


def at_home(case):
    """The same request, of a task that is there."""
    for name in ("task", "model"):
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = "vectors"
        if isinstance(case.body, dict) and name in case.body:
            case.body[name] = "vectors"
    if isinstance(case.body, dict) and "tasks" in case.body:
        case.body["tasks"] = ["mood", "vectors"]


def check_all(api, n_examples):
    """Sends each operation requests that its schema allows, and others that it forbids."""
    statuses = Counter()
    for found in api.get_all_operations():
        for mode in GenerationMode:
            with suppress(Unsatisfiable):  # there is nothing that it forbids
                check_one(found.ok(), mode, n_examples, statuses)
    assert {200, 400, 404, 422} <= set(statuses), statuses


def check_one(operation, mode, n_examples, statuses):
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=n_examples, suppress_health_check=list(HealthCheck))
    def check(case):
        if mode is GenerationMode.POSITIVE:
            at_home(case)
        statuses[case.call_and_validate(headers=KEY, checks=CHECKS).status_code] += 1

    check()


def test_no_request_leads_to_what_is_not_declared(api):
    check_all(api, n_examples=3)


@pytest.mark.slow
def test_none_of_many_requests_does(api):
    check_all(api, n_examples=100)
