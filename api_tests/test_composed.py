"""Queries of several parts, over HTTP: words, files and moments of the library, wanted and not wanted."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_tests.conftest import FILM_S, FILMS, Library, Server
from api_tests.test_search import check_results, found, search
from models.tests import media_samples


def compose(
    server: Server, *parts: dict[str, Any], files: dict[str, Path] | None = None, **params: Any
) -> httpx.Response:
    query = {"parts": list(parts)}
    if files is None:
        return server.http.post("/v1/search", json=query, params=params)
    opened = {name: (path.name, path.read_bytes()) for name, path in files.items()}
    return server.http.post("/v1/search", data={"query": json.dumps(query)}, files=opened, params=params)


def composed(server: Server, *parts: dict[str, Any], **options: Any) -> dict[str, Any]:
    response = compose(server, *parts, **options)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    check_results(server, body)
    return body


def assert_refused(response: httpx.Response, status: int, code: str, *said: str) -> None:
    assert response.status_code == status, response.text
    problem = response.json()
    assert problem["code"] == code, problem
    for words in said:
        assert words in problem["detail"], problem


def test_one_part_is_the_plain_search(server: Server, tmp_path: Path) -> None:
    assert composed(server, {"text": "a door opens"})["results"] == search(server, q="a door opens")["results"]
    assert (
        composed(server, {"text": "a door opens", "weight": 3})["results"]
        == search(server, q="a door opens")["results"]
    )
    still = media_samples.still(tmp_path / "still.png", 2, 4.0)
    plain = server.query("image", still).json()["results"]
    assert composed(server, {"file": "it"}, files={"it": still})["results"] == plain
    assert composed(server, {"file": "it", "kind": "image"}, files={"it": still})["results"] == plain


def test_saying_the_same_twice_changes_no_order(server: Server) -> None:
    once = composed(server, {"text": "a door opens"}, limit=10)
    twice = composed(server, {"text": "a door opens"}, {"text": "a door opens"}, limit=10)
    assert [hit["segment_id"] for hit in twice["results"]] == [hit["segment_id"] for hit in once["results"]]
    for a, b in zip(once["results"], twice["results"], strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-3)
        assert {key.partition(":")[2] for key in b["evidence"]} == set(a["evidence"])
        assert {key.partition(":")[0] for key in b["evidence"]} == {"0", "1"}


def test_a_picture_of_one_film_and_the_sound_of_another_find_both(
    server: Server, library: Library, tmp_path: Path
) -> None:
    seen, heard = FILMS[0], FILMS[1]
    still = media_samples.still(tmp_path / "seen.png", seen, 4.0)
    sound = media_samples.sound_file(tmp_path / "heard.wav", wave=media_samples.sound(heard, FILM_S)[: 4 * 16_000])
    files = {"picture": still, "noise": sound}
    body = composed(server, {"file": "picture"}, {"file": "noise"}, files=files, group_by="video", limit=2)
    assert found(body) == {library.films[seen], library.films[heard]}
    assert body["took_ms"]["decode"] > 0
    mostly = composed(server, {"file": "picture"}, {"file": "noise", "weight": 0.1}, files=files, group_by="video")
    assert mostly["results"][0]["video_id"] == library.films[seen]


def test_a_file_that_stands_for_several_parts_and_long_texts_in_any_script(server: Server, tmp_path: Path) -> None:
    still = media_samples.still(tmp_path / "still.png", 2, 4.0)
    once = composed(server, {"file": "it"}, files={"it": still})["results"]
    again = composed(server, *[{"file": "it"}] * 8, files={"it": still})["results"]
    assert [hit["segment_id"] for hit in again] == [hit["segment_id"] for hit in once]
    long = "door " + "дверь " * 165  # six bytes a letter in JSON, as Python writes it
    composed(server, {"file": "it"}, *[{"text": long}] * 7, files={"it": still})


def test_a_moment_of_the_library_finds_others_and_never_itself(server: Server, library: Library) -> None:
    hit = search(server, q="a door opens")["results"][0]
    asked = {"segment_id": hit["segment_id"]}
    for parts in ([asked], [asked, {"text": "a door opens"}], [{"text": "a door opens"}, {**asked, "weight": -1}]):
        body = composed(server, *parts, limit=100)
        assert body["results"]
        for other in body["results"]:
            same_film = other["video_id"] == hit["video_id"]
            assert not (same_film and other["start_s"] < hit["end_s"] and hit["start_s"] < other["end_s"])
    for video_id in (library.silent, library.sound):  # that are only seen, and only heard
        (one, *_) = search(server, q="a door", video_id=video_id)["results"]
        assert composed(server, {"segment_id": one["segment_id"]})["results"]


def test_what_is_not_wanted_goes_down(server: Server, library: Library, tmp_path: Path) -> None:
    seed = FILMS[2]
    still = media_samples.still(tmp_path / "still.png", seed, 4.0)

    def rank(*more: dict[str, Any]) -> int:
        body = composed(
            server, {"text": "a colourful picture"}, *more, files={"it": still}, group_by="video", limit=100
        )
        return [hit["video_id"] for hit in body["results"]].index(library.films[seed])

    # Named by a tiny weight, for a file that no part names is refused.
    neutral, without, wanted = (rank({"file": "it", "weight": weight}) for weight in (0.001, -2, 2))
    assert wanted == 0
    assert without > neutral
    assert without >= len(library.everything) - 3


def test_pages_follow_each_other_and_filters_hold(server: Server, library: Library) -> None:
    parts = ({"text": "a monster attacks"}, {"text": "in the dark", "weight": -0.5})
    whole = composed(server, *parts, limit=12)["results"]
    first = composed(server, *parts, limit=5)
    second = composed(server, *parts, limit=5, cursor=first["next_cursor"])
    assert [h["segment_id"] for h in first["results"] + second["results"]] == [h["segment_id"] for h in whole[:10]]
    assert_refused(compose(server, parts[0], limit=5, cursor=first["next_cursor"]), 422, "bad_cursor")
    assert found(composed(server, *parts, tag="silent")) == {library.silent}
    heard = composed(server, *parts, match="sound")["results"]
    assert all(key.partition(":")[2].startswith("sound.") for hit in heard for key in hit["evidence"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "parts"),
        ({"parts": []}, "parts"),
        ({"parts": [{"text": "door"}] * 9}, "parts"),
        ({"parts": [{"text": "door"}], "more": 1}, "more"),
        ({"parts": [{"text": "door", "weight": -1}]}, "at least one part needs a weight above 0"),
        ({"parts": [{"text": "door", "weight": 0}]}, "leave it out"),
        ({"parts": [{"text": "door", "weight": 11}]}, "weight"),
        ({"parts": [{"text": "door", "weight": 1e-300}]}, "leave it out"),
        ({"parts": [{"text": "door", "segment_id": 1}]}, "one of text, segment_id and file"),
        ({"parts": [{"weight": 1}]}, "one of text, segment_id and file"),
        ({"parts": ["door"]}, "one of text, segment_id and file"),
        ({"parts": [{"text": "door", "kind": "image"}]}, "kind"),
        ({"parts": [{"text": "x" * 1001}]}, "text"),
    ],
)
def test_what_is_wrong_with_a_query_is_named(server: Server, query: dict[str, Any], said: str) -> None:
    assert_refused(server.http.post("/v1/search", json=query), 422, "invalid_request", said)


def test_what_is_not_there_or_not_known_is_named(server: Server, tmp_path: Path) -> None:
    door = {"text": "a door"}
    assert_refused(compose(server, door, {"segment_id": 10**15}), 404, "segment_not_found", "1000000000000000")
    assert_refused(compose(server, door, {"text": "qxzzyv"}), 422, "unknown_words", "qxzzyv")
    assert_refused(compose(server, door, {"text": "  "}), 422, "empty_query")
    assert_refused(compose(server, door, {"file": "it"}), 422, "missing_file", "'it'")
    still = media_samples.still(tmp_path / "still.png", 1, 1.0)
    sound = media_samples.sound_file(tmp_path / "sound.wav", 1, 4.0)
    assert_refused(compose(server, door, files={"it": still}), 422, "invalid_request", "No part", "'it'")
    assert_refused(compose(server, {"file": "it", "kind": "image"}, files={"it": sound}), 422, "no_picture")
    (tmp_path / "text.txt").write_text("words, not a film")
    assert_refused(compose(server, {"file": "it"}, files={"it": tmp_path / "text.txt"}), 415, "not_media")
    five = {str(number): still for number in range(5)}
    assert_refused(compose(server, *({"file": name} for name in five), files=five), 422, "invalid_request", "at most 4")
    two = [("it", ("a.png", still.read_bytes())), ("it", ("b.png", still.read_bytes()))]
    query = json.dumps({"parts": [{"file": "it"}]})
    assert_refused(
        server.http.post("/v1/search", data={"query": query}, files=two), 422, "invalid_request", "two files"
    )
    assert_refused(server.http.post("/v1/search", files=two[:1]), 422, "invalid_request", '"query"')
    assert_refused(
        server.http.post("/v1/search", content=b"{", headers={"Content-Type": "application/json"}), 400, "bad_request"
    )
    assert_refused(server.http.post("/v1/search", content=b"x" * 100_000), 413, "body_too_large")
    many = json.dumps({"parts": [door], **{f"k{number}": 0 for number in range(5000)}})
    answer = server.http.post("/v1/search", content=many)
    assert_refused(answer, 422, "invalid_request", "k0")
    assert len(answer.json()["fields"]) == 20
    assert not list(server.home.rglob("*.part"))  # nothing of what was sent is kept
