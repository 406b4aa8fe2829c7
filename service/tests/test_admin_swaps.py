"""Bringing models and index generations into service over HTTP: what is answered, refused and written down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.bundle import Bundle
from service.app import create_app
from service.catalogue import Catalogue
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests.swapping import Swapping


@pytest.fixture
def home(settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Swapping:
    return Swapping(settings, library, tiny, other, tmp_path)


class Admin:
    """A client with the admin's token; no worker runs."""

    def __init__(self, client: TestClient, token: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, json: Any = None, status: int = 200) -> Any:
        response = self._client.request(method, f"/v1/admin{path}", headers=self._headers, json=json)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, status: int, code: str, json: Any = None) -> str:
        problem = self(method, path, json, status)
        assert problem["code"] == code, problem
        return str(problem["detail"])


@pytest.fixture
def admin(home: Swapping) -> Iterator[Admin]:
    redis = EmbeddedRedis(home.settings.redis_dir)
    redis.start()
    settings = home.settings.model_copy(update={"redis_url": redis.url, "swap_poll_s": 60.0})
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8600") as client:
        yield Admin(client, settings.admin_token())
    redis.stop()


def test_models_are_promoted_by_name_or_fingerprint_and_never_by_path(
    home: Swapping, admin: Admin, other: Bundle
) -> None:
    listed = {each["name"]: each for each in admin("GET", "/bundles")["bundles"]}
    assert (listed["tiny"]["active"], listed["tiny"]["place"], listed["other"]["place"]) == (True, "active", None)
    path = str(other.path)
    for name in ("nothing", "..", ".", path.replace("/", "%2F"), f"..%2Fbundles%2F{home.new.path.name}", "*"):
        response = admin._client.post(f"/v1/admin/bundles/{name}/promote", headers=admin._headers)
        assert response.status_code in (404, 405), (name, response.text)
    assert "bundle promote DIR" in admin.refused("POST", "/bundles/nothing/promote", 404, "bundle_not_found")
    admin.refused("POST", "/bundles/tiny/promote", 409, "bundle_active")
    admin.refused("POST", "/bundles/other/promote", 422, "invalid_request", {"path": path})
    job = admin("POST", f"/bundles/{home.new.fingerprint}/promote", {"auto": False}, 202)
    assert (job["kind"], job["status"]) == ("promote", "queued")
    assert admin("POST", "/bundles/other/promote", None, 202)["id"] == job["id"]
    admin.refused("POST", "/index/rebuild", 409, "swap_busy")
    assert {each["name"]: each["place"] for each in admin("GET", "/bundles")["bundles"]}["other"] == "candidate"
    actions = [(entry.action, entry.details.get("auto")) for entry in home.catalogue.audit()[0]]
    assert ("bundle.promoted", False) in actions


def test_two_models_of_one_name_are_told_apart_by_their_fingerprint(home: Swapping, admin: Admin) -> None:
    import json

    manifest = home.new.path / "bundle.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": "tiny"}))
    assert home.new.fingerprint[:12] in admin.refused("POST", "/bundles/tiny/promote", 409, "bundle_ambiguous")
    admin("POST", f"/bundles/{home.new.fingerprint[:12]}/promote", None, 202)


def test_a_candidate_is_shown_with_titles_confirmed_and_its_answers_are_served(home: Swapping, admin: Admin) -> None:
    home.add(1)
    admin.refused("GET", "/index/candidate", 404, "candidate_not_found")
    admin.refused("POST", "/index/candidate/confirm", 404, "candidate_not_found")
    job_id = admin("POST", "/bundles/other/promote", {"auto": False}, 202)["id"]
    assert admin("GET", "/index/candidate")["state"] == "embedding"
    admin.refused("POST", "/index/candidate/confirm", 409, "candidate_not_ready")
    job = home.catalogue.job(job_id)
    assert job is not None
    home.work(job)
    shown = admin("GET", "/index/candidate")
    assert (shown["state"], shown["kind"], shown["bundle"]["name"]) == ("ready", "promote", "other")
    assert set(shown["titles"].values()) <= {"1"}
    assert shown["report"]["golden"]["compared"] > 0
    confirming = home.catalogue.job(admin("POST", "/index/candidate/confirm", None, 202)["id"])
    assert confirming is not None
    home.work(confirming)

    status = admin("GET", "/index")
    assert status["generation_number"] == 1
    assert (status["served"]["number"], status["served"]["previous_bundle"]["name"]) == (2, "tiny")
    back = admin("POST", "/bundles/rollback")
    assert (back["number"], back["bundle"]["name"], back["reason"]) == (3, "tiny", "rollback")
    # This process answers with it when the caller hears of it.
    answer = admin._client.get("/v1/search", params={"q": "red square"}).json()
    assert (answer["generation_number"], answer["bundle"]) == (3, "tiny")
    assert answer["bundle_fingerprint"] == home.old.fingerprint
    video = home.catalogue.videos()[0][0].id
    timeline = admin._client.get(f"/v1/videos/{video}/timeline", params={"q": "red"}).json()
    assert (timeline["generation_number"], timeline["generation"]) == (3, back["generation"])
    assert admin("POST", "/bundles/rollback")["generation"] == shown["generation"]
    actions = [entry.action for entry in home.catalogue.audit()[0]]
    assert actions == ["bundle.rolled_back", "bundle.rolled_back", "index.promoted", "bundle.promoted"]


def test_a_candidate_can_be_discarded_and_a_rebuild_taken_back(home: Swapping, admin: Admin) -> None:
    home.add(1)
    admin.refused("DELETE", "/index/candidate", 404, "candidate_not_found")
    admin.refused("POST", "/index/rollback", 409, "nothing_to_go_back_to")
    admin.refused("POST", "/bundles/rollback", 409, "nothing_to_go_back_to")
    job_id = admin("POST", "/index/rebuild", {"auto": False}, 202)["id"]
    assert admin("DELETE", "/index/candidate")["state"] == "building"
    job = home.catalogue.job(job_id)
    assert job is not None
    assert job.status == "cancelled"
    for _ in range(2):
        job = home.catalogue.job(admin("POST", "/index/rebuild", None, 202)["id"])
        assert job is not None
        home.work(job)
    first = home.served.parent_generation
    assert admin("POST", "/index/rollback")["generation"] == first == admin("GET", "/index")["generation"]


def test_golden_queries_are_set_and_shown(admin: Admin) -> None:
    assert admin("GET", "/golden-queries")["queries"] == []
    given = {"queries": ["a door  opens", "a door opens", "\t", "dog"]}
    assert admin("PUT", "/golden-queries", given)["queries"] == ["a door opens", "dog"]
    assert admin("GET", "/golden-queries")["queries"] == ["a door opens", "dog"]
    assert "an explosion" in admin("GET", "/golden-queries")["shipped"]
    for wrong in ({}, {"queries": [""]}, {"queries": ["a"] * 201}, {"queries": ["a" * 501]}, {"queries": "a"}):
        admin.refused("PUT", "/golden-queries", 422, "invalid_request", wrong)


def test_while_the_settings_name_a_model_no_other_is_promoted(home: Swapping, other: Bundle) -> None:
    redis = EmbeddedRedis(home.settings.redis_dir)
    redis.start()
    settings = home.settings.model_copy(update={"redis_url": redis.url, "bundle": other.path})
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8600") as client:
        admin = Admin(client, settings.admin_token())
        admin.refused("POST", "/bundles/other/promote", 409, "bundle_pinned")
        admin.refused("POST", "/bundles/rollback", 409, "bundle_pinned")
        redis.stop()
        admin.refused("POST", "/index/rebuild", 503, "queue_unavailable")
        assert client.get("/readyz").json()["checks"]["bundle"] == "tiny"
