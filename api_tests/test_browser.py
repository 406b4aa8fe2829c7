"""The page in a real Chromium, against a real server: what a visitor does."""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright

from api_tests.conftest import Library, Server
from models.tests import media_samples

pytestmark = pytest.mark.browser

HOW_TO_GET_CHROMIUM = (
    "No Chromium. Install one (Debian: 'apt install chromium'; anywhere: '.venv/test/bin/playwright install chromium') "
    "or name its executable in the environment variable CHROMIUM."
)

# Works as root in a container, needs no GPU, and asks nobody on the network for anything.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)

RESULT = "article.card[data-video-id]"

# Makes a file out of base64 and drops it on the page, as the desktop would.
DROP = """([data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""

# Resolves to the playing time once it is past the start given; the test's timeout ends a film that stands still.
PLAYED_PAST = """(video, start) => new Promise((resolve, reject) => {
  video.addEventListener("error", () => reject(new Error(video.error?.message ?? "cannot play")));
  const look = () => (video.currentTime > start + 0.3 ? resolve(video.currentTime) : setTimeout(look, 50));
  look();
})"""


def find_chromium(playwright: Playwright) -> str | None:
    """Path of a Chromium or Chrome: the one named, the system's, or Playwright's own; None when there is none."""
    named = os.environ.get("CHROMIUM")
    own = playwright.chromium.executable_path
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome", own]
    return next((path for path in map(shutil.which, candidates) if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        executable = find_chromium(playwright)
        if executable is None and os.environ.get("CI") == "true":
            pytest.fail(HOW_TO_GET_CHROMIUM)
        if executable is None:
            pytest.skip(HOW_TO_GET_CHROMIUM)
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A fresh page of the shared server."""
    with visit(browser, server) as page:
        yield page


@contextmanager
def visit(browser: Browser, server: Server, width: int = 1280) -> Iterator[Page]:
    """A fresh page; at the end it must have asked no other host for anything and broken no script or policy."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # Chromium also logs every answer of 400 and above as an error; those are the tests' own business.
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and not message.text.startswith("Failed to load resource")
            else None
        ),
    )
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield page
    context.close()
    assert complaints == []
    assert hosts <= {urlsplit(server.url).netloc, ""}  # "": blob addresses of what was dropped


def drop(page: Page, file: Path, media_type: str) -> None:
    """Drop a file on the page."""
    page.evaluate(DROP, [base64.b64encode(file.read_bytes()).decode(), file.name, media_type])


def test_a_typed_query_gives_moments_and_a_click_plays_one_from_its_start(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.keyboard.press("/")
    page.keyboard.type("a door opens")
    page.keyboard.press("Enter")

    cards = page.locator(RESULT)
    expect(cards.first).to_be_visible()
    expect(page.locator("#status")).to_contain_text(" ms")
    assert page.url.endswith("/?q=a+door+opens")

    with_picture = page.locator(f"{RESULT}:has(video)").first
    start = float(with_picture.get_attribute("data-start-s") or "nan")
    with_picture.locator("button.play").click()
    video = with_picture.locator("video")
    reached = video.evaluate(PLAYED_PAST, start)
    assert start < reached < start + 10
    assert video.evaluate("video => [video.muted, video.controls, video.videoWidth > 0]") == [False, True, True]


def test_what_is_typed_before_the_server_has_said_who_is_signed_in_stays(page: Page, server: Server) -> None:
    held: list[Route] = []
    page.route("**/v1/session", lambda route: held.append(route))
    with page.expect_request("**/v1/session"):
        page.goto(server.url, wait_until="commit")
    page.locator("#q").press_sequentially("a door")
    held[0].continue_()
    expect(page.locator("#library")).to_contain_text("video")  # what comes after it
    page.locator("#q").press_sequentially(" opens")
    page.keyboard.press("Enter")
    expect(page.locator(RESULT).first).to_be_visible()
    assert page.url.endswith("/?q=a+door+opens")


def test_more_is_of_the_query_on_show_and_keeps_it_when_the_server_is_away(page: Page, server: Server) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.fulfill(status=503, json={"title": "Busy", "detail": "Too much at once.", "code": "busy"})
            return
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "next_cursor": "next"})

    page.route("**/v1/search?*", answer)
    page.goto(f"{server.url}/?q=an+explosion")
    expect(page.locator(RESULT).first).to_be_visible()
    count = page.locator(RESULT).count()
    page.fill("#q", "something else")  # and not sent
    page.click("#more")
    expect(page.locator("#status")).to_contain_text("Too much at once.")
    assert parse_qs(urlsplit(asked[1]).query)["q"] == ["an explosion"]
    assert parse_qs(urlsplit(asked[1]).query)["cursor"] == ["next"]
    expect(page.locator(RESULT)).to_have_count(count)
    expect(page.locator("#more")).to_be_visible()


def test_an_address_with_a_query_shows_its_results_and_back_returns_to_them(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=an+explosion&match=visual")
    expect(page.locator(RESULT).first).to_be_visible()
    expect(page.locator("#q")).to_have_value("an explosion")
    expect(page.locator("input[name=match][value=visual]")).to_be_checked()

    page.locator("#examples a").first.click()
    expect(page.locator("#q")).not_to_have_value("an explosion")
    page.go_back()
    expect(page.locator("#q")).to_have_value("an explosion")


def test_the_pointer_over_a_card_previews_the_moment_without_sound(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=a+door+opens")
    card = page.locator(f"{RESULT}:has(video)").first
    start = float(card.get_attribute("data-start-s") or "nan")
    card.locator("button.play").hover()
    video = card.locator("video")
    video.evaluate(PLAYED_PAST, start)
    assert video.evaluate("video => [video.muted, video.controls]") == [True, False]


def test_a_still_dropped_on_the_page_finds_the_film_it_was_cut_from(
    page: Page, server: Server, library: Library, tmp_path: Path
) -> None:
    page.goto(server.url)
    drop(page, media_samples.still(tmp_path / "still.png", seed=3, t=5.0), "image/png")
    expect(page.locator("#by-name")).to_have_text("still.png")
    expect(page.locator("#overlay")).to_be_hidden()
    expect(page.locator(RESULT).first).to_have_attribute("data-video-id", library.films[3])


def test_more_like_a_moment_is_searched_shared_and_left_again(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=a+door+opens")
    card = page.locator(RESULT).first
    title, video_id, start = (
        card.locator("h3").inner_text(),
        *map(card.get_attribute, ("data-video-id", "data-start-s")),
    )
    with page.expect_request(f"{server.url}/v1/search?*") as asked:
        card.get_by_role("button", name=f"More like {title}").click()
    expect(page.locator("#by-name")).to_contain_text(f"Like {title} at ")
    expect(page.locator("#by-preview img")).to_be_visible()
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("#by-clear")).to_be_focused()
    expect(page.locator(RESULT).first).to_be_visible()
    segment = page.url.rpartition("like=")[2]
    assert f'{{"segment_id":{segment}}}' in (asked.value.post_data or "")
    expect(page.locator(f'{RESULT}[data-video-id="{video_id}"][data-start-s="{start}"]')).to_have_count(0)

    page.fill("#q", "a monster attacks -dark")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"q=a\+monster\+attacks\+-dark&like={segment}$"))
    expect(page.locator(RESULT).first).to_be_visible()
    page.reload()
    expect(page.locator("#by-name")).to_contain_text(f"Like {title} at ")
    expect(page.locator("#q")).to_have_value("a monster attacks -dark")
    page.click("#by-clear")
    expect(page.locator("#by")).to_be_hidden()
    expect(page.locator(RESULT).first).to_be_visible()
    assert "like=" not in page.url
    for _ in range(3):
        page.go_back()
    expect(page.locator("#q")).to_have_value("a door opens")
    expect(page.locator("#by")).to_be_hidden()
    expect(page.locator(RESULT).first).to_have_attribute("data-start-s", start or "")

    page.goto(f"{server.url}/?like={segment}")  # as somebody who was sent the link
    expect(page.locator("#by-name")).to_have_text("Like a moment of the library")
    expect(page.locator(RESULT).first).to_be_visible()
    page.goto(f"{server.url}/?like=999999999")
    expect(page.locator("#message")).to_contain_text("999999999")


def test_words_after_a_minus_are_kept_away_from(page: Page, server: Server, tmp_path: Path) -> None:
    page.goto(server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or "") if request.method == "POST" else None)
    page.fill("#q", '-"in the dark" a monster attacks   -door x-ray')
    page.keyboard.press("Enter")
    expect(page.locator(RESULT).first).to_be_visible()
    (body,) = asked
    assert (
        '{"parts":[{"text":"a monster attacks x-ray"},{"text":"in the dark","weight":-1},{"text":"door","weight":-1}]}'
        in body
    )
    assert all("NaN" not in chip for chip in page.locator(".chip").all_inner_texts())
    page.fill("#q", "-dark")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Say what to look for")
    page.fill("#q", "a -b -c -d -e -f -g -h -i")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Too much at once")
    assert len(asked) == 1
    page.fill("#q", "a door -- opens - !")  # nothing is meant by these
    page.keyboard.press("Enter")
    expect(page.locator(RESULT).first).to_be_visible()
    assert len(asked) == 1


def test_a_picture_and_words_are_searched_together(
    page: Page, server: Server, library: Library, tmp_path: Path
) -> None:
    page.goto(server.url)
    drop(page, media_samples.still(tmp_path / "still.png", seed=4, t=5.0), "image/png")
    expect(page.locator(RESULT).first).to_have_attribute("data-video-id", library.films[4])
    with page.expect_response(f"{server.url}/v1/search?*") as answered:
        page.fill("#q", "a door opens")
        page.keyboard.press("Enter")
    answer = answered.value.json()
    assert {key.partition(":")[0] for hit in answer["results"] for key in hit["evidence"]} == {"0", "1"}
    expect(page.locator("#by-name")).to_have_text("still.png")
    expect(page.locator(RESULT)).to_have_count(len(answer["results"]))
    page.locator("button.like").first.click()
    expect(page.locator("#by-name")).to_contain_text("Like ")
    page.go_back()
    expect(page.locator("#by-name")).to_have_text("still.png")
    expect(page.locator("#q")).to_have_value("a door opens")
    expect(page.locator(RESULT)).to_have_count(len(answer["results"]))


def test_a_dropped_sound_finds_a_sound_file_which_plays(
    page: Page, server: Server, library: Library, tmp_path: Path
) -> None:
    page.goto(server.url)
    drop(page, media_samples.cut_sound(tmp_path / "piece.wav", seed=8, start_s=4.0, seconds=3.0), "audio/wav")
    card = page.locator(f"{RESULT}[data-video-id={library.sound}]").first
    card.locator("button.play").click()
    card.locator("audio").evaluate(PLAYED_PAST, float(card.get_attribute("data-start-s") or "nan"))


def test_a_file_that_is_no_medium_and_words_that_nobody_knows_are_explained(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.goto(server.url)
    notes = tmp_path / "notes.txt"
    notes.write_text("notes")
    drop(page, notes, "text/plain")
    expect(page.locator("#message")).to_contain_text("notes.txt")

    page.fill("#q", "qqqzzzxxx")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("qqqzzzxxx")
    expect(page.locator(RESULT)).to_have_count(0)


def test_a_film_added_on_the_page_reports_its_progress_until_it_can_be_searched(
    page: Page, server: Server, tmp_path: Path
) -> None:
    film = media_samples.film(tmp_path / "added on the page.mp4", seed=90)
    page.goto(server.url)
    count = page.locator("#library")
    expect(count).to_contain_text("video")
    before = count.inner_text()
    page.click("#open-upload")
    page.set_input_files("#upload-files", film)
    line = page.locator("#upload-list li")
    expect(line).to_contain_text(film.name)
    expect(line).to_contain_text("Ready to search", timeout=60_000)
    expect(count).not_to_have_text(before)

    added = server.http.get("/v1/videos", params={"limit": 1}).json()["videos"][0]
    assert added["filename"] == film.name
    server.http.delete(f"/v1/videos/{added['id']}").raise_for_status()
