"""What is told to Prometheus of requests; `api_tests/test_metrics.py` asks a whole service."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service import problems
from service.metrics import Metrics
from service.problems import Refused


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """By name and labels' values, in the order of the labels' names."""
    text = generate_latest(metrics.registry).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, *dict(sorted(s.labels.items())).values()): s.value for family in families for s in family.samples}


def test_requests_are_told_apart_by_pattern_and_by_how_they_ended() -> None:
    app, metrics = FastAPI(), Metrics()
    problems.install(app)
    metrics.install(app)

    @app.get("/things/{number}")
    def thing(number: int) -> int:
        if number == 13:
            raise Refused("video_not_found", "no")
        if number == 14:
            raise RuntimeError
        return number

    with TestClient(app, raise_server_exceptions=False) as client:
        for path in ("/things/1", "/things/2", "/things/13", "/things/14", "/nothing/here", "/v1/search"):
            client.get(path)
        client.request("BREW", "/things/1")
    found = values(metrics)
    route = "/things/{number}"
    assert found["mmv_http_requests_total", "GET", route, "200"] == 2
    assert found["mmv_http_requests_total", "GET", route, "404"] == 1
    assert found["mmv_http_requests_total", "GET", route, "500"] == 1
    assert found["mmv_http_requests_total", "GET", "other", "404"] == 1
    assert found["mmv_http_requests_total", "GET", "search", "404"] == 1
    assert [key for key in found if "BREW" in key] == []
    assert found["mmv_http_request_seconds_count", "GET", route] == 4
    assert found["mmv_http_requests_in_progress",] == 0


def test_searches_are_counted_by_part() -> None:
    metrics = Metrics()
    metrics.searched({"decode": 0.0, "embed": 2.0, "search": 30.0, "total": 33.0})
    found = values(metrics)
    assert found["mmv_search_seconds_count", "total"] == 1
    assert found["mmv_search_seconds_sum", "search"] == 0.03
    assert found["mmv_search_seconds_bucket", "0.025", "search"] == 0
    assert found["mmv_search_seconds_bucket", "0.05", "search"] == 1
