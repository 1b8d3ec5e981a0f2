"""What /metrics shows."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from polyhead.serve import BatchReport, ServedTask, TaskReport
from polyhead.serve.http.metrics import ServerMetrics


@pytest.fixture
def server(make_server):
    return make_server()


def samples(server):
    """Every sample by its name and its labels, when all batches have been told of."""
    server.engine.wait_until_empty(10)
    text = server.get("/metrics").text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_rows_tokens_and_errors_are_counted_by_task(server):
    server.post("/v1/predict", {"tasks": ["mood", "stars"], "inputs": ["one", "two", ""]})
    server.post("/v1/predict", {"task": "damaged", "inputs": ["one"]})
    found = samples(server)
    mood = ("task", "mood")
    assert found["polyhead_rows_total", mood] == 3
    assert found["polyhead_row_errors_total", ("code", "invalid_input"), mood] == 1
    damaged = (("code", "damaged_task"), ("task", "damaged"))
    assert found["polyhead_row_errors_total", *damaged] == 1
    assert found["polyhead_tokens_total", mood] >= 4
    assert found["polyhead_queue_seconds_count", mood] >= 2
    assert found["polyhead_compute_seconds_sum", mood] > 0


def test_requests_are_counted_by_route_and_status(server):
    server.post("/v1/predict", {"task": "mood", "inputs": ["a"]})
    server.post("/v1/predict", {"task": "nobody", "inputs": ["a"]})
    server.get("/v1/tasks/mood")
    server.get("/whatever/a/client/writes")
    found = samples(server)
    assert found["polyhead_requests_total", ("route", "/v1/predict"), ("status", "200")] == 1
    assert found["polyhead_requests_total", ("route", "/v1/predict"), ("status", "404")] == 1
    assert found["polyhead_requests_total", ("route", "/v1/tasks/{task}"), ("status", "200")] == 1
    assert found["polyhead_requests_total", ("route", "unmatched"), ("status", "404")] == 1
    unknown = (("code", "unknown_task"), ("route", "/v1/predict"))
    assert found["polyhead_request_errors_total", *unknown] == 1
    assert found["polyhead_request_seconds_count", ("route", "/v1/predict")] == 2


def test_the_state_of_engine_and_store_is_shown(server):
    before = server.store.statistics()
    server.post("/v1/predict", {"task": "damaged", "inputs": ["a"]})
    server.post("/v1/predict", {"tasks": ["mood", "places"], "inputs": ["a"]})
    server.post("/v1/predict", {"task": "places", "inputs": ["a"]})
    found = samples(server)
    after = server.store.statistics()
    assert found["polyhead_ready",] == 1
    assert found["polyhead_waiting_rows",] == 0
    assert found["polyhead_estimated_wait_seconds",] >= 0
    assert found["polyhead_engine_restarts_total",] == 0
    assert found["polyhead_resident_tasks",] == after.n_resident >= 2
    assert found["polyhead_resident_bytes",] == after.n_bytes > 1000
    assert found["polyhead_task_loads_total",] == after.n_loads > before.n_loads
    assert found["polyhead_task_hits_total",] == after.n_hits > before.n_hits
    assert found["polyhead_task_misses_total",] == after.n_misses > before.n_misses
    assert found["polyhead_task_evictions_total",] == after.n_evictions
    assert found["polyhead_task_load_failures_total",] == after.n_failures
    assert any(key[0] == "polyhead_info" for key in found)


def test_batches_are_counted_by_size(server):
    server.post("/v1/predict", {"task": "mood", "inputs": ["a"] * 5})
    found = samples(server)
    assert found["polyhead_batch_rows_count",] >= 1
    assert found["polyhead_batch_rows_sum",] >= 5
    assert found["polyhead_batch_tokens_sum",] >= 15
    assert found["polyhead_batch_seconds_sum",] > 0


def test_no_label_is_what_a_client_sent(server):
    secret = "attacker-1234"  # noqa: S105 - nobody's password
    server.post("/v1/predict", {"task": secret, "inputs": [secret]}, headers={"X-Secret": secret})
    server.post(f"/v1/tasks/{secret}/predict", {"inputs": [secret]})
    server.get(f"/{secret}")
    server.get(f"/v2/models/{secret}/versions/{secret}")
    server.ask("GET", "/v1/tasks", params={"q": secret})
    assert secret not in server.get("/metrics").text


def test_openmetrics_is_spoken_where_it_is_asked_for(server):
    reply = server.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


def test_the_time_of_a_batch_is_shared_by_tokens():
    metrics = ServerMetrics()
    reports = [
        TaskReport(ServedTask(name, name), "classification", None, 1, n_tokens, 0, 0.5)
        for name, n_tokens in (("short", 10), ("long", 30))
    ]
    metrics.batch(BatchReport(2, 40, 2.0, tuple(reports)))
    value = metrics.registry.get_sample_value
    assert value("polyhead_compute_seconds_sum", {"task": "short"}) == pytest.approx(0.5)
    assert value("polyhead_compute_seconds_sum", {"task": "long"}) == pytest.approx(1.5)
    assert value("polyhead_queue_seconds_sum", {"task": "long"}) == 0.5


def test_what_was_dropped_uncomputed_is_no_batch():
    metrics = ServerMetrics()
    dropped = TaskReport(ServedTask("a", "a"), "classification", None, 3, 9, 0, 1.5, {"expired": 3})
    metrics.batch(BatchReport(0, 0, 0.0, (dropped,)))
    assert metrics.registry.get_sample_value("polyhead_batch_rows_count") == 0
    assert metrics.registry.get_sample_value("polyhead_queue_seconds_count", {"task": "a"}) == 3
