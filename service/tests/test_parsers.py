"""Whatever a client sends, what reads it gives a value or a problem that says what is wrong; found by Hypothesis."""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import Request
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.preprocess.media import MediaInfo
from models.preprocess.subtitles import parse_subtitles
from service.catalogue import Catalogue, NewSegment
from service.catalogue.lookups import VideoFilter, matching_videos
from service.catalogue.paging import BadCursor, decode_cursor, encode_cursor
from service.multipart import Form, clean_filename, read_form
from service.problems import Refused
from service.ranges import parse_range
from service.routes.search import options_of
from service.routes.tus import _Check, metadata_header, metadata_of
from service.schemas.search import SearchParameters
from service.search import Last, _read_cursor, _write_cursor
from service.settings import Settings
from service.subtitles import webvtt_of

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
ROW_IDS = st.from_regex(r"[vj]_[0-9a-f]{1,32}", fullmatch=True)


@contextlib.contextmanager
def allowed(*codes: str) -> Iterator[None]:
    """The client may be told this, and nothing else may go wrong."""
    try:
        yield
    except Refused as refused:
        if refused.code not in codes:
            raise


# Cursors


@FEW
@given(TIMES, ROW_IDS)
def test_a_listing_s_cursor_is_read_as_it_was_written(created_at: datetime, row_id: str) -> None:
    assert decode_cursor(encode_cursor(created_at, row_id)) == (created_at, row_id)


@FEW
@given(st.one_of(st.text(max_size=80), st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode())))
@example("W10")
@example(base64.urlsafe_b64encode(b'["0001-01-01T00:00:00+23:59", "v_0"]').decode())
@example(base64.urlsafe_b64encode(b"[" * 45_000).decode())
def test_any_other_cursor_is_refused(cursor: str) -> None:
    try:
        created_at, row_id = decode_cursor(cursor)
    except BadCursor:
        return
    assert decode_cursor(encode_cursor(created_at, row_id)) == (created_at, row_id)


@FEW
@given(
    st.integers(1, 999),
    st.lists(st.integers(1, 2**63), min_size=1, max_size=5).map(tuple),
    st.text(max_size=40),
    st.text(max_size=80),
)
def test_a_search_s_cursor_fits_that_search_alone(
    count: int, segment_ids: tuple[int, ...], identity: str, other: str
) -> None:
    cursor = _write_cursor(Last(count, segment_ids), identity)
    assert _read_cursor(cursor, identity) == Last(count, segment_ids)
    if other != identity:
        with pytest.raises(Refused, match="another search"):
            _read_cursor(cursor, other)
    for made_up in (other, base64.urlsafe_b64encode(other.encode()).decode()):
        with allowed("bad_cursor"):
            assert 0 <= _read_cursor(made_up, identity).count <= 1000


# Ranges


@FEW
@given(st.one_of(st.text(max_size=40), st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True)), st.integers(1))
def test_a_range_lies_in_the_file_or_is_refused(header: str, size: int) -> None:
    size = min(size, 10**15)
    with allowed("range_not_satisfiable"):
        part = parse_range(header, size)
        assert part is None or 0 <= part[0] < part[1] <= size


# Forms

FIELD = st.tuples(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "file"), st.text(max_size=50)
)


def encoded(boundary: bytes, fields: list[tuple[str, str]], filename: str, content: bytes) -> bytes:
    quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode() for name, text in fields]
    head = f'Content-Disposition: form-data; name="file"; filename="{quoted}"\r\nContent-Type: video/mp4\r\n\r\n'
    parts.append(head.encode() + content)
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def read(body: bytes, cuts: list[int], content_type: bytes) -> tuple[Form, bytes]:
    """The form, sent in pieces, and the bytes of its file."""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)] or [b""]
    written: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def write(chunk: bytes) -> None:
        written.append(chunk)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]}
    return asyncio.run(read_form(Request(scope, receive), write)), b"".join(written)


@FEW
@given(st.lists(FIELD, max_size=4), st.binary(max_size=300), st.lists(st.integers(0), max_size=6))
@example([], b"\r\n--XX", [3])
@example([("a", "\r\n--X")], b"--X\r\n", [1, 2, 3])
def test_a_form_is_read_the_same_however_it_is_cut(
    fields: list[tuple[str, str]], content: bytes, cuts: list[int]
) -> None:
    body = encoded(b"X7-boundary-7X", fields, "a film.mp4", content)
    form, written = read(body, cuts, b"multipart/form-data; boundary=X7-boundary-7X")
    assert written == content
    assert form.filename == "a film.mp4"
    wanted: dict[str, list[str]] = {}
    for name, text in fields:
        wanted.setdefault(name, []).append(text)
    assert form.fields == wanted


@FEW
@given(st.binary(max_size=200), st.lists(st.integers(0), max_size=4), st.binary(max_size=60))
@example(b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''x\r\n\r\n\r\n--X--", [], b"")
@example(b"--X--\r\n", [2], b"multipart/form-data; boundary=X")
@example(b"", [], b"multipart/form-data; boundary=" + b"y" * 300)
def test_a_damaged_form_is_refused_with_a_sentence(body: bytes, cuts: list[int], content_type: bytes) -> None:
    whole = encoded(b"X", [("title", "t")], "f", b"content")
    kinds = [content_type, b"multipart/form-data; boundary=X"]
    for sent in (body, whole[: len(body)] + body, whole[: -1 - len(body) % len(whole)]):
        for kind in kinds:
            with allowed("bad_request", "missing_file", "invalid_request"):
                form, _ = read(sent, cuts, kind)
                assert form.filename


@FEW
@given(st.text(max_size=400))
@example("../../etc/passwd")
@example("C:\\Windows\\x.mp4")
@example("\u202egpj.exe\0")
def test_a_file_s_name_never_is_a_path(name: str) -> None:
    clean = clean_filename(name)
    assert 1 <= len(clean) <= 255
    assert not set("/\\\0\r\n") & set(clean)
    assert Path(clean).name == clean or clean in (".", "..")


# Headers of resumable uploads, subtitles


@FEW
@given(st.dictionaries(st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True), st.text(max_size=60), max_size=5))
def test_what_an_upload_says_of_itself_is_read_as_it_was_written(said: dict[str, str]) -> None:
    wanted = {key: clean_filename(value) if key == "filename" else value for key, value in said.items()}
    assert metadata_of(metadata_header(said)) == wanted
    assert metadata_of(metadata_header(metadata_of(metadata_header(said)))) == wanted


@FEW
@given(st.text(max_size=200))
@example("filename")
@example("a =,b !!")
@example("filename Li4vLi4vZXRjL3Bhc3N3ZA==")
@example("a w7w=,a \ud800")
def test_any_other_header_of_an_upload_is_refused(header: str) -> None:
    with allowed("bad_request"):
        said = metadata_of(header)
        assert "/" not in said.get("filename", "")
    with allowed("bad_request"):
        assert not _Check(header).fits() or not header


@FEW
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda said: f"WEBVTT\n\n{said}".encode())))
@example(b"1\n00:00:01,000 --> 00:00:02,000\n<b>&\x00\n")
@example(b"1\n99999999999999999999:00:01,000 --> 00:00:02,000\nx\n")
@example(b"\xff\xfe1\x00")
def test_subtitles_are_read_or_refused_and_what_is_given_can_be_read(data: bytes) -> None:
    with allowed("subtitles_unreadable"):
        given_out = webvtt_of(data)
        assert given_out.startswith("WEBVTT\n\n")
        assert "\0" not in given_out
        assert parse_subtitles(given_out).cues


# Filters

NUMBERS = st.one_of(st.floats(), st.integers(), st.text(max_size=10))
QUERY = st.fixed_dictionaries(
    {},
    optional={
        "limit": NUMBERS,
        "match": st.one_of(st.sampled_from(["visual", "sound", "both"]), st.text(max_size=8)),
        "space": st.one_of(st.sampled_from(["auto", "fine", "coarse"]), st.text(max_size=8)),
        "min_confidence": NUMBERS,
        "tag": st.lists(st.text(max_size=10), max_size=22),
        "video_id": st.lists(st.text(max_size=10), max_size=5),
        "has_sound": st.one_of(st.booleans(), st.text(max_size=5)),
        "min_duration_s": NUMBERS,
        "max_duration_s": NUMBERS,
        "added_after": st.one_of(TIMES, st.text(max_size=30), st.datetimes()),
        "added_before": st.one_of(TIMES, st.text(max_size=30)),
        "unknown": st.text(max_size=3),
    },
)


@FEW
@given(QUERY)
@example({"added_after": "0001-01-01T00:00:00+23:59"})
@example({"tag": ["\0"], "video_id": ["\0"]})
def test_filters_are_read_or_refused(query: dict[str, Any]) -> None:
    try:
        parameters = SearchParameters(**query)
    except ValidationError:
        return
    options = options_of(parameters.model_dump())
    assert 1 <= options.limit <= 100
    assert 0 <= options.min_confidence <= 1
    assert len(options.videos.tags) <= 20


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FILTERS = st.builds(
    VideoFilter,
    tags=st.lists(st.sampled_from(["a", "b", "\0", "ü"]), max_size=2).map(tuple),
    video_ids=st.one_of(st.just(()), st.lists(st.integers(0, 7).map(lambda n: video_id(n)), max_size=4).map(tuple)),
    has_sound=st.none() | st.booleans(),
    min_duration_s=st.none() | st.floats(0, 10),
    max_duration_s=st.none() | st.floats(0, 10) | st.just(float("inf")),
    added_after=st.none() | st.integers(0, 8).map(lambda n: BEGIN + timedelta(days=n)),
    added_before=st.none() | st.integers(0, 8).map(lambda n: BEGIN + timedelta(days=n)),
)


def sha(number: int) -> str:
    return f"{number:x}" * 64


def video_id(number: int) -> str:
    return "v_" + sha(number)[:16]


@pytest.fixture
def films(any_library: Catalogue, any_settings: Settings) -> Catalogue:
    """Eight videos that differ in all that is filtered by."""
    from sqlalchemy import update

    from service.catalogue.tables import VideoRow

    for number in range(8):
        info = MediaInfo(float(number), True, number % 2 == 0, 64, 48, 25.0, "mp4", "h264", None)
        tags = [tag for tag, chosen in (("a", number < 4), ("b", number % 3 == 0), ("ü", number == 5)) if chosen]
        video, _, _ = any_library.add_video(sha(number), "f", "F", tags, 1, info)
        segment = NewSegment(0.0, 1.0, {("visual", "fine"): np.ones((1, 2), np.float16)})
        any_library.store_segments(video.id, "b", [segment])
        with any_library._database.write() as session:
            session.execute(
                update(VideoRow).where(VideoRow.id == video.id).values(created_at=BEGIN + timedelta(days=number))
            )
    return any_library


def test_filters_choose_what_they_say(films: Catalogue) -> None:
    videos = films.videos(limit=100)[0]

    @settings(max_examples=40, deadline=None, database=None)
    @given(FILTERS)
    def chosen(wanted: VideoFilter) -> None:
        expected = {
            video.id
            for video in videos
            if set(wanted.tags) <= set(video.tags)
            and (not wanted.video_ids or video.id in wanted.video_ids)
            and wanted.has_sound in (None, video.has_audio)
            and (wanted.min_duration_s is None or video.duration_s >= wanted.min_duration_s)
            and (wanted.max_duration_s is None or video.duration_s <= wanted.max_duration_s)
            and (wanted.added_after is None or video.created_at >= wanted.added_after)
            and (wanted.added_before is None or video.created_at < wanted.added_before)
        }
        assert set(matching_videos(films, wanted)) == expected

    chosen()
