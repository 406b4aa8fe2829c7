"""Subtitles that come with a video: read leniently, kept and given as WebVTT."""

import html

from models.preprocess.subtitles import Cue, decode_subtitles, parse_subtitles
from service.problems import Refused

# A long film's subtitles have about 150 kB.
MOST_BYTES = 4 * 1024 * 1024
MOST_CUES = 100_000


def webvtt_of(data: bytes) -> str:
    """The WebVTT of an .srt or .vtt file in any encoding. Raises Refused (subtitles_unreadable, body_too_large)."""
    if len(data) > MOST_BYTES:
        raise Refused(
            "body_too_large", f"The subtitles have more than {MOST_BYTES:,} bytes, the most that is accepted."
        )
    cues = parse_subtitles(decode_subtitles(data)).cues
    if not cues:
        raise Refused(
            "subtitles_unreadable",
            "These are no subtitles: no cue could be read. Send the text of an .srt or .vtt file.",
        )
    if len(cues) > MOST_CUES:
        raise Refused("subtitles_unreadable", f"The subtitles have more than {MOST_CUES:,} cues.")
    return "WEBVTT\n\n" + "\n".join(_cue(cue) for cue in cues)


def _cue(cue: Cue) -> str:
    return f"{_time(cue.start_s)} --> {_time(cue.end_s)}\n{html.escape(cue.text.replace(chr(0), ''), quote=False)}\n"


def _time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
