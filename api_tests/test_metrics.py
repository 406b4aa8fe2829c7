"""`/metrics` of a whole service, in Prometheus' own format."""

from prometheus_client.parser import text_string_to_metric_families

from api_tests.conftest import Library, Server


def read(server: Server) -> dict[tuple[str, ...], float]:
    response = server.http.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(response.text))
    assert all(family.documentation for family in families)
    return {(s.name, *dict(sorted(s.labels.items())).values()): s.value for family in families for s in family.samples}


def test_prometheus_is_told_of_searches_requests_and_the_library(server: Server, library: Library) -> None:
    before = read(server)
    for _ in range(3):
        server.http.get("/v1/search", params={"q": "a door"}).raise_for_status()
    server.http.get("/v1/videos/none")
    after = read(server)

    def more(*key: str) -> float:
        return after[key] - before.get(key, 0.0)

    assert more("mmv_http_requests_total", "GET", "/v1/search", "200") == 3
    assert more("mmv_http_requests_total", "GET", "/v1/videos/{video_id}", "404") == 1
    assert more("mmv_search_seconds_count", "total") == 3
    assert more("mmv_search_seconds_sum", "total") > 0
    assert after["mmv_videos", "ready"] >= len(library.everything)
    assert after["mmv_index_segments",] == after["mmv_segments",] > 0
    assert after["mmv_redis_up",] == after["mmv_catalogue_up",] == 1
    assert after["mmv_disk_free_bytes",] > 0
    assert after["process_resident_memory_bytes",] > 1e7
    (bundle,) = (key for key in after if key[0] == "mmv_bundle_info")
    answer = server.http.get("/v1/search", params={"q": "a door"}).json()
    assert bundle[1:] == (answer["bundle_fingerprint"], answer["bundle"])
