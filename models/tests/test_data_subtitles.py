"""Subtitles as people and sites write them."""

import time
from pathlib import Path

import pytest

from models.preprocess.subtitles import Cue, parse_subtitles, read_subtitles, subtitles_beside

SRT = """1
00:00:01,500 --> 00:00:03,000
<i>Hello</i> there,
{\\an8}my friend.

2
01:02:03,4 --> 01:02:05,000
- Caf\u00e9?
"""

VTT = """WEBVTT - a film
Kind: captions

NOTE made by hand
in two lines

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Bob>Rock &amp; <c.loud>roll</c>

1:00:00.000 --> 1:00:01.000
\u266a la la \u266a
"""

# As yt-dlp saves YouTube's automatic captions.
ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
first<00:00:00.480><c> line</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
first line
\x20

00:00:02.010 --> 00:00:04.000 align:start position:0%
first line
second<00:00:02.500><c> line</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
second line
\x20

00:00:04.010 --> 00:00:06.000 align:start position:0%
second line
third
"""


def test_srt() -> None:
    found = parse_subtitles(SRT)
    assert found.cues == [Cue(1.5, 3.0, "Hello there, my friend."), Cue(3723.4, 3725.0, "- Caf\u00e9?")]
    assert found.malformed == 0


def test_vtt_with_header_notes_styles_settings_and_tags() -> None:
    found = parse_subtitles(VTT)
    assert found.cues == [Cue(1.0, 2.5, "Rock & roll"), Cue(3600.0, 3601.0, "la la")]
    assert found.malformed == 0


def test_rolling_captions_give_each_line_once() -> None:
    found = parse_subtitles(ROLLING).cues
    assert [c.text for c in found] == ["first line", "second line", "third"]
    assert [c.start_s for c in found] == [0.0, 2.01, 4.01]
    assert found[0].end_s == pytest.approx(2.01)  # its repetition shows it for longer


def test_the_same_words_said_again_later_are_kept() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nyes\n\n2\n00:00:09,000 --> 00:00:10,000\nyes\n"
    assert [c.start_s for c in parse_subtitles(text).cues] == [1.0, 9.0]


def test_malformed_cues_are_counted_and_the_others_read() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:00,500\nbackwards\n\n"
        "2\n00:00:xx,000 --> 00:00:05,000\nno time\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\nfine\n4\n00:00:07,000 --> 00:00:08,000\nno empty line before it\n\n"
        "5\n00:00:09,000 --> 00:00:10,000\n\n"
    )
    found = parse_subtitles(text)
    assert [c.text for c in found.cues] == ["fine", "no empty line before it"]
    assert found.malformed == 2


def test_cues_in_any_order_come_sorted() -> None:
    text = "00:03.000 --> 00:04.000\nb\n\n00:01.000 --> 00:02.000\na\n"
    assert [c.text for c in parse_subtitles(text).cues] == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + SRT.encode(),
        SRT.replace("\n", "\r\n").encode(),
        SRT.encode("utf-16"),
        SRT.encode("cp1252"),
        SRT.replace("\n", "\r").encode(),
    ],
    ids=["bom", "crlf", "utf-16", "windows", "cr"],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.srt").write_bytes(data)
    assert read_subtitles(tmp_path / "a.srt").cues[1].text == "- Caf\u00e9?"


def test_what_is_no_subtitles_has_no_cues() -> None:
    assert parse_subtitles("dear diary\n" * 20).cues == []
    assert parse_subtitles("").cues == []


def test_subtitles_are_found_by_the_films_name(tmp_path: Path) -> None:
    film = tmp_path / "my [best] film.mp4"
    assert subtitles_beside(film) is None
    (tmp_path / "my [best] film.de.srt").touch()
    assert subtitles_beside(film) == tmp_path / "my [best] film.de.srt"
    (tmp_path / "my [best] film.en-GB.vtt").touch()
    assert subtitles_beside(film) == tmp_path / "my [best] film.en-GB.vtt"
    (tmp_path / "my [best] film.srt").touch()
    assert subtitles_beside(film) == tmp_path / "my [best] film.srt"
    (tmp_path / "my [best] film.part.two.en.srt").touch()
    assert subtitles_beside(tmp_path / "my [best] film.part.mp4") is None


@pytest.mark.parametrize("hours", ["9" * 400, "9" * 5000])
def test_times_beyond_all_numbers_are_no_times(hours: str) -> None:
    read = parse_subtitles(f"{hours}:00:00 --> {hours}9:00:00\nnever\n\n00:01 --> 00:02\nsoon\n")
    assert (read.cues, read.malformed) == ([Cue(1.0, 2.0, "soon")], 1)


def test_cues_of_very_many_lines_are_read_in_a_moment() -> None:
    """Comparing every end of one with every beginning of the next would take minutes, and the service with it."""
    lines = "a\n" * 200_000
    began = time.process_time()
    read = parse_subtitles(f"00:01 --> 00:02\n{lines}\n00:02 --> 00:03\n{lines}b\n")
    assert len(read.cues) == 2
    assert time.process_time() - began < 10
