"""What is being added, on the page: cancelled, tried again, found after a reload, dismissed, and by whom."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, Route, expect

from api_tests.server import Server
from api_tests.test_access import bearer, create
from api_tests.test_browser import browser, visit
from models.tests import media_samples

__all__ = ["browser"]

pytestmark = pytest.mark.browser

# Long enough to be met in the middle of its ingest.
LONG_S = 300.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs") / "home"


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, dict[str, Any]]:
    return {role: create(home, role, "--name", f"the {role}") for role in ("reader", "editor")}


@pytest.fixture(scope="module")
def own_server(home: Path, keys: dict[str, dict[str, Any]]) -> Iterator[Server]:
    """A server whose worker may be held; who has no key sees nothing."""
    server = Server(home)
    server.http.headers.update(bearer(keys["editor"]))
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser, own_server: Server, keys: dict[str, dict[str, Any]]) -> Iterator[Page]:
    """A page that an editor signed in to; after the test the library is empty."""
    with visit(browser, own_server) as page:
        sign_in(page, own_server, keys["editor"])
        yield page
    for video in own_server.http.get("/v1/videos").json()["videos"]:
        own_server.http.delete(f"/v1/videos/{video['id']}").raise_for_status()


def sign_in(page: Page, server: Server, key: dict[str, Any]) -> None:
    page.goto(server.url)
    page.fill("#key", key["key"])
    page.keyboard.press("Enter")
    expect(page.locator("#key-dialog")).to_be_hidden()
    expect(page.locator("#library")).not_to_be_empty()


@contextmanager
def held_worker(server: Server) -> Iterator[None]:
    """Nothing is taken in meanwhile."""
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def stored(server: Server, video_id: str) -> Path:
    """The file of a video in the media store."""
    sha256 = server.http.get(f"/v1/videos/{video_id}").json()["sha256"]
    (path,) = server.home.rglob(sha256)
    return path


def fail(server: Server, film: Path) -> dict[str, Any]:
    """Adds a film whose bytes are spoiled on the disk before they are read; its job."""
    with held_worker(server):
        uploaded = server.upload(film)
        stored(server, uploaded["video_id"]).write_bytes(b"spoiled")
    job = server.wait(uploaded["job_id"])
    assert job["status"] == "failed", job
    return job


def lines_of(page: Page) -> Locator:
    return page.locator("#upload-list li")


def open_list(page: Page) -> Locator:
    """Opens the window; its lines."""
    page.click("#open-upload")
    return lines_of(page)


def button(line: Locator, name: str) -> Locator:
    return line.get_by_role("button", name=name)


def test_a_film_that_waits_is_found_after_a_reload_cancelled_and_begun_anew_with_the_keyboard(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    film = media_samples.film(tmp_path / "waits.mp4", seed=91)
    with held_worker(own_server):
        line = open_list(page)
        page.set_input_files("#upload-files", film)
        expect(line.locator(".state")).to_have_text("Waiting")  # for the worker: it is sent
        page.reload()
        expect(page.get_by_role("button", name="Add videos: 1 being added")).to_be_visible()
        expect(page.locator("#uploads")).to_be_hidden()
        page.fill("#q", "a door")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("Nothing found")

        expect(open_list(page)).to_have_count(1)
        expect(line).to_contain_text(film.name)
        expect(line).to_contain_text("Waiting")
        button(line, f"Cancel: {film.name}").focus()
        page.keyboard.press("Enter")
        expect(line).to_contain_text("Cancelled")
        (job,) = own_server.http.get("/v1/jobs", params={"limit": 1}).json()["jobs"]
        assert job["status"] == "cancelled"
        expect(button(line, f"Try again: {film.name}")).to_be_focused()
        page.keyboard.press("Enter")
        expect(line).to_contain_text("Waiting")
        expect(button(line, "Cancel")).to_be_focused()
    expect(line).to_contain_text("Ready to search", timeout=60_000)
    expect(button(line, "Cancel")).to_have_count(0)
    expect(page.locator("#badge")).to_be_hidden()
    expect(page.locator("#library")).to_have_text("1 video")


def test_a_film_in_the_middle_of_its_ingest_is_cancelled(page: Page, own_server: Server, tmp_path: Path) -> None:
    uploaded = own_server.upload(media_samples.film(tmp_path / "runs.mp4", 92, LONG_S, fps=5))
    line = open_list(page)
    expect(line).to_contain_text("Reading", timeout=60_000)
    with held_worker(own_server):
        button(line, "Cancel").click()
        expect(line).to_contain_text("Cancelled")
    assert own_server.wait(uploaded["job_id"])["status"] == "cancelled"
    page.reload()
    expect(page.locator("#library")).to_have_text("1 video")
    expect(open_list(page)).to_have_count(0)  # what somebody stopped on purpose is no news


def test_a_film_that_failed_says_why_after_a_reload_too_and_is_tried_again_until_it_is_in(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    film = media_samples.film(tmp_path / "spoiled.mp4", seed=93)
    job = fail(own_server, film)
    page.reload()
    expect(page.get_by_role("button", name="Add videos: 1 failed")).to_be_visible()
    line = open_list(page)
    expect(line).to_contain_text(film.name)
    expect(line.locator(".reason")).to_have_text(job["problem"]["detail"])
    stored(own_server, job["video_id"]).write_bytes(film.read_bytes())
    button(line, "Try again").click()
    expect(line).to_contain_text("Ready to search", timeout=60_000)
    assert own_server.http.get(f"/v1/videos/{job['video_id']}").json()["status"] == "ready"
    page.reload()
    expect(page.locator("#library")).to_have_text("1 video")
    expect(open_list(page)).to_have_count(0)


def test_what_cannot_be_tried_again_says_so_in_the_words_of_the_interface(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    job = fail(own_server, media_samples.film(tmp_path / "lost.mp4", seed=94))
    line = open_list(page)
    expect(line).to_contain_text("Failed")
    stored(own_server, job["video_id"]).unlink()
    refusal = own_server.http.post(f"/v1/jobs/{job['id']}/retry")
    assert refusal.status_code == 410
    button(line, "Try again").click()
    expect(line.locator(".reason")).to_have_text(refusal.json()["detail"])
    expect(button(line, "Try again")).to_have_count(0)
    expect(button(line, "Dismiss")).to_be_focused()


def test_what_was_dismissed_stays_away_from_this_browser_and_from_no_other(
    page: Page, browser: Browser, own_server: Server, keys: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    first, second = (media_samples.film(tmp_path / f"spoiled-{seed}.mp4", seed) for seed in (95, 96))
    for film in (first, second):
        fail(own_server, film)
    lines = open_list(page)
    expect(lines).to_have_count(2)
    button(lines.filter(has_text=second.name), "Dismiss").click()
    expect(lines).to_have_count(1)
    expect(button(lines, f"Dismiss: {first.name}")).to_be_focused()
    page.reload()
    expect(page.get_by_role("button", name="Add videos: 1 failed")).to_be_visible()
    expect(open_list(page)).to_contain_text([first.name])
    with visit(browser, own_server) as other:
        sign_in(other, own_server, keys["editor"])
        expect(open_list(other)).to_have_count(2)
        other.click("#clear-uploads")
        expect(lines_of(other)).to_have_count(0)
        expect(other.locator("#badge")).to_be_hidden()
        other.reload()
        expect(other.locator("#library")).to_have_text("2 videos")
        expect(open_list(other)).to_have_count(0)


def test_a_file_that_is_refused_is_not_offered_again_and_one_the_server_cannot_take_just_now_is(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    notes = media_samples.text_named_mp4(tmp_path / "notes.mp4")
    line = open_list(page)
    page.set_input_files("#upload-files", notes)
    expect(line).to_contain_text("Failed")
    expect(line.locator(".reason")).not_to_be_empty()
    expect(button(line, "Try again")).to_have_count(0)
    button(line, "Dismiss").click()

    film = media_samples.film(tmp_path / "later.mp4", seed=97)
    context = page.context
    context.set_offline(True)
    page.set_input_files("#upload-files", film)
    expect(line).to_contain_text("cannot be reached")
    context.set_offline(False)
    button(line, "Try again").click()
    expect(line).to_contain_text("Ready to search", timeout=60_000)


def test_a_file_on_its_way_is_stopped_and_sent_again(page: Page, own_server: Server, tmp_path: Path) -> None:
    film = media_samples.film(tmp_path / "on its way.mp4", seed=99)
    line = open_list(page)
    held: list[Route] = []
    page.route("**/v1/videos", lambda route: held.append(route))
    page.set_input_files("#upload-files", film)
    for name in ("Cancel", "Try again", "Cancel"):
        expect(line).to_contain_text("Sending" if name == "Cancel" else "Cancelled")
        button(line, name).click()
    expect(line).to_contain_text("Cancelled")
    for route in held:
        with suppress(Error):  # the page has let go of it
            route.abort()
    page.unroute("**/v1/videos")
    assert own_server.http.get("/v1/videos").json()["total"] == 0
    button(line, "Try again").click()
    expect(line).to_contain_text("Ready to search", timeout=60_000)


def test_files_chosen_together_are_sent_in_their_order_and_wait_for_nobody_s_ingest(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    films = [media_samples.film(tmp_path / f"{name}.mp4", seed=300 + i) for i, name in enumerate("abc")]
    with held_worker(own_server):
        lines = open_list(page)
        page.set_input_files("#upload-files", films)
        for line, film in zip((lines.nth(i) for i in range(3)), films, strict=True):
            expect(line).to_contain_text(film.name)
            expect(line.locator(".state")).to_have_text("Waiting")  # for the worker: it is there
        jobs = own_server.http.get("/v1/jobs", params={"status": "queued"}).json()["jobs"]
        videos = [own_server.http.get(f"/v1/videos/{job['video_id']}").json()["filename"] for job in reversed(jobs)]
        assert videos == [film.name for film in films]
    for i in range(3):
        expect(lines.nth(i)).to_contain_text("Ready to search", timeout=60_000)


def test_a_file_whose_turn_has_not_come_is_stopped_and_leaving_is_asked_about(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    films = [media_samples.film(tmp_path / f"{name}.mp4", seed=310 + i) for i, name in enumerate("de")]
    held: list[Route] = []
    page.route("**/v1/videos", lambda route: held.append(route))
    lines = open_list(page)
    page.set_input_files("#upload-files", films)
    first, second = lines.nth(0), lines.nth(1)
    expect(first.locator(".state")).to_have_text("Sending")
    expect(second.locator(".state")).to_have_text("Waiting to be sent")
    leaving = "() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert page.evaluate(leaving)
    button(second, "Cancel").click()
    expect(second).to_contain_text("Cancelled")
    for route in held:
        route.continue_()
    page.unroute("**/v1/videos")
    expect(first).to_contain_text("Ready to search", timeout=60_000)
    assert not page.evaluate(leaving)
    assert len(own_server.http.get("/v1/videos").json()["videos"]) == 1
    button(second, "Try again").click()
    expect(second).to_contain_text("Ready to search", timeout=60_000)


def test_a_server_that_says_nothing_does_not_hold_up_the_files_behind(
    page: Page, own_server: Server, tmp_path: Path
) -> None:
    films = [media_samples.film(tmp_path / f"{name}.mp4", seed=330 + i) for i, name in enumerate(("first", "second"))]
    page.clock.install()
    page.reload()
    held: list[Route] = []
    page.route("**/v1/videos", lambda route: route.continue_() if held else held.append(route))
    lines = open_list(page)
    page.set_input_files("#upload-files", films)
    expect(lines.nth(0)).to_contain_text("Sending")
    expect(lines.nth(1)).to_contain_text("Waiting to be sent")
    page.clock.fast_forward("04:50")
    expect(lines.nth(0)).to_contain_text("Sending")
    page.clock.fast_forward("00:15")
    expect(lines.nth(0)).to_contain_text("has not answered for five minutes")
    expect(lines.nth(1)).to_contain_text("Ready to search", timeout=60_000)
    button(lines.nth(0), "Try again").click()
    expect(lines.nth(0)).to_contain_text("Ready to search", timeout=60_000)
    page.unroute("**/v1/videos")


def test_who_is_signed_out_meanwhile_sees_how_it_went_on_once_signed_in(
    page: Page, own_server: Server, keys: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    film = media_samples.film(tmp_path / "meanwhile.mp4", seed=340)
    with held_worker(own_server):
        line = open_list(page)
        page.set_input_files("#upload-files", film)
        expect(line.locator(".state")).to_have_text("Waiting")
        page.context.clear_cookies()
        expect(page.locator("#key-dialog")).to_be_visible()
        page.click("#key-cancel")
        expect(line).to_contain_text("Sign in to see how it goes on")
        expect(line.locator(".state")).to_have_text("Waiting")
        expect(button(line, "Try again")).to_have_count(0)
    page.click("#close-upload")
    page.click("#open-upload")
    page.fill("#key", keys["editor"]["key"])
    page.keyboard.press("Enter")
    expect(line).to_contain_text("Ready to search", timeout=60_000)


def test_a_key_that_may_send_and_not_watch_is_told_so(
    browser: Browser, own_server: Server, home: Path, tmp_path: Path
) -> None:
    key = create(
        home, "editor", "--name", "a sender", *(f"--scope={scope}" for scope in ("search", "library", "uploads"))
    )
    film = media_samples.film(tmp_path / "sent.mp4", seed=320)
    with visit(browser, own_server) as page:
        sign_in(page, own_server, key)
        line = open_list(page)
        page.set_input_files("#upload-files", film)
        expect(line).to_contain_text("Sent")
        expect(line).to_contain_text("may not watch")
    (video,) = own_server.http.get("/v1/videos").json()["videos"]
    own_server.http.delete(f"/v1/videos/{video['id']}").raise_for_status()


def test_nothing_of_it_is_wider_than_a_telephone(
    browser: Browser, page: Page, own_server: Server, keys: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    fail(own_server, media_samples.film(tmp_path / f"{'a-long-name' * 12}.mp4", seed=100))
    with visit(browser, own_server, width=400) as small:
        sign_in(small, own_server, keys["editor"])
        expect(small.locator("#badge")).to_be_visible()
        assert small.evaluate("document.documentElement.scrollWidth") <= 400
        expect(button(open_list(small), "Try again")).to_be_in_viewport()
        assert small.locator("#uploads").evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def test_a_reader_is_offered_none_of_it(
    page: Page, browser: Browser, own_server: Server, keys: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    fail(own_server, media_samples.film(tmp_path / "spoiled.mp4", seed=98))
    with visit(browser, own_server) as reading:
        asked: list[str] = []
        reading.on("request", lambda request: asked.append(request.url))
        sign_in(reading, own_server, keys["reader"])
        reading.reload()
        expect(reading.locator("#library")).to_have_text("1 video")
        expect(reading.locator("#open-upload")).to_be_hidden()
        time.sleep(0.5)
        assert not [url for url in asked if "/v1/jobs" in url]
        expect(lines_of(reading)).to_have_count(0)
    page.reload()
    expect(open_list(page)).to_have_count(1)
