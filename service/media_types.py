"""The Content-Type of a stored file, from its first bytes: its name is whatever the uploader called it."""

from pathlib import Path

UNKNOWN = "application/octet-stream"


def media_type(path: Path, *, has_video: bool) -> str:
    """For example video/mp4. Containers that hold either are audio when there is no picture."""
    with path.open("rb") as file:
        head = file.read(64)
    either = "video" if has_video else "audio"
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " and has_video else f"{either}/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return f"{either}/webm" if b"webm" in head else ("video/x-matroska" if has_video else "audio/x-matroska")
    if head.startswith(b"RIFF"):
        kinds = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
        return kinds.get(head[8:12], UNKNOWN)
    if head.startswith(b"OggS"):
        return f"{either}/ogg"
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"FLV"):
        return "video/x-flv"
    if head.startswith(b"GIF8"):
        return "image/gif"
    if head.startswith(b"\x89PNG"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x00\x00\x01\xba") or head.startswith(b"\x00\x00\x01\xb3"):
        return "video/mpeg"
    if head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] in (b"\xfb", b"\xfa", b"\xf3", b"\xf2")):
        return "audio/mpeg"
    if head[:1] == b"\xff" and head[1:2] in (b"\xf1", b"\xf9"):
        return "audio/aac"
    if head[:1] == b"G":  # 0x47 opens every packet of a transport stream
        return "video/mp2t"
    return UNKNOWN
