"""Adapting and rebuilding the model as jobs: what is refused, what is told, and that the service goes on meanwhile."""

from api_tests.conftest import Library, Server


def test_training_is_the_administrators(server: Server) -> None:
    for path in ("adapt", "rebuild"):
        response = server.http.post(f"/v1/admin/bundles/{path}", json={})
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def test_a_wrong_request_is_named(server: Server) -> None:
    response = server.http.post("/v1/admin/bundles/rebuild", json={"config": "../x"}, headers=server.admin)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "freedoom-fac-small" in response.json()["detail"]
    response = server.http.post("/v1/admin/bundles/adapt", json={"steps": -1}, headers=server.admin)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_small_library_is_told_what_adaptation_needs_one_training_at_a_time(server: Server, library: Library) -> None:
    response = server.http.post("/v1/admin/bundles/adapt", json={}, headers=server.admin)
    assert response.status_code == 202, response.text
    job = response.json()
    assert job["kind"] == "adapt"
    again = server.http.post("/v1/admin/bundles/adapt", json={}, headers=server.admin)
    other = server.http.post("/v1/admin/bundles/rebuild", json={"clips": 10}, headers=server.admin)
    assert again.json()["id"] == job["id"]
    assert (other.status_code, other.json()["code"]) == (409, "training_busy")
    assert server.http.get("/v1/search", params={"q": "a door opens"}).status_code == 200
    over = server.wait(job["id"], 180)
    assert (over["status"], over["problem"]["code"]) == ("failed", "training_failed")
    assert "at least 6 films and about" in over["problem"]["detail"]


def test_a_rebuild_can_be_cancelled(server: Server) -> None:
    response = server.http.post("/v1/admin/bundles/rebuild", json={"clips": 10}, headers=server.admin)
    assert response.status_code == 202, response.text
    job = response.json()
    assert job["kind"] == "train"
    cancelled = server.http.delete(f"/v1/jobs/{job['id']}", headers=server.admin)
    assert cancelled.json()["status"] == "cancelled"
    # Its place is free again.
    following = server.http.post("/v1/admin/bundles/rebuild", json={"clips": 11}, headers=server.admin)
    assert following.status_code == 202, following.text
    server.http.delete(f"/v1/jobs/{following.json()['id']}", headers=server.admin)
