"""More than two hundred files that no service should trust: made on the spot, the same ones each time.

Cut off, damaged at random, lying in their headers, endless, huge, playlists that name other files and servers, one
thing inside another, bombs. `hostile_files` yields (name, bytes).
"""

import base64
import binascii
import bz2
import gzip
import io
import lzma
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from models.tests import media_samples

SECRET = "/etc/passwd"
ELSEWHERE = "http://192.0.2.1:9/x.mp4"  # an address that exists nowhere
MANY_BYTES = 4_000_000

Files = Iterator[tuple[str, bytes]]


def hostile_files(folder: Path) -> Files:
    """All of them; `folder` is for the films that they are made of."""
    good = _good(folder)
    yield from _cut_off(good)
    yield from _damaged(good)
    yield from _lying(good)
    yield from _endless(good)
    yield from _huge(good)
    yield from _playlists()
    yield from _pointing_elsewhere(good)
    yield from _several_things_at_once(good)
    yield from _bombs()
    yield from _no_media()


# What a sender may call a file, to be kept as something harmless or refused.
NAMES = (
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\x.mp4",
    "/etc/cron.d/x",
    "a\0b.mp4",
    "file:///etc/passwd",
    "concat:a.mp4|b.mp4",
    "x" * 5000 + ".mp4",
    "\u202e4pm.exe",
    "CON",
    "a\r\nSet-Cookie: x=y.mp4",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "<script>alert(1)</script>.mp4",
    "'; DROP TABLE videos; --.mp4",
    ".",
    "..",
    " ",
)


def _good(folder: Path) -> dict[str, bytes]:
    """A small file in each of many containers."""
    mp4 = media_samples.film(folder / "good.mp4", 1, 1.5, fps=6)
    files = {"mp4": mp4.read_bytes()}
    for kind in ("mkv", "mov", "ts", "flv"):
        files[kind] = media_samples.film(folder / f"good.{kind}", 1, 1.5, fps=6).read_bytes()
    ogg = folder / "good.ogg"
    with av.open(str(ogg), "w") as out:
        stream = out.add_stream("libopus", rate=16_000, layout="mono")
        media_samples._mux_sound(out, stream, media_samples.sound(4, 1.0))
    files["ogg"] = ogg.read_bytes()
    files["avi"] = media_samples.silent_film(folder / "good.avi", 1, 1.5).read_bytes()
    for kind in ("mp3", "wav", "flac"):
        files[kind] = media_samples.sound_file(folder / f"good.{kind}", 2, 1.0).read_bytes()
    files["gif"] = _animated()
    picture = Image.fromarray(media_samples.picture(3, 0.5))
    for kind in ("png", "jpeg", "webp", "bmp", "tiff"):
        file = io.BytesIO()
        picture.save(file, kind.upper())
        files[kind] = file.getvalue()
    return files


def _animated(frames: int = 6, size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    pictures = [Image.new("P", size, at * 20) for at in range(frames)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=100)
    return file.getvalue()


def _cut_off(good: dict[str, bytes]) -> Files:
    for kind, data in good.items():
        for percent in (1, 50, 95):
            yield f"cut-{percent}.{kind}", data[: max(9, len(data) * percent // 100)]


def _damaged(good: dict[str, bytes]) -> Files:
    """Random bytes changed: in the head, where the structure is, and everywhere."""
    for kind, data in good.items():
        for seed in range(5):
            dice = random.Random(f"{kind}{seed}")
            broken = bytearray(data)
            among = min(len(broken), 200) if seed < 3 else len(broken)
            for _ in range(4 if seed < 3 else max(8, len(broken) // 200)):
                broken[dice.randrange(among)] = dice.randrange(256)
            yield f"damaged-{seed}.{kind}", bytes(broken)


def _patched(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """Bytes at so many behind the first `name` are replaced."""
    at = data.index(name) + offset
    return data[:at] + value + data[at + len(value) :]


def _lying(good: dict[str, bytes]) -> Files:
    """Headers that say what is not so: sizes, counts, lengths, rates."""
    mp4, most = good["mp4"], b"\xff\xff\xff\xff"
    for box in (b"moov", b"trak", b"mdia", b"stbl", b"mdat", b"stsd"):
        yield f"box-{box.decode()}-endless.mp4", _patched(mp4, box, -4, most)
        yield f"box-{box.decode()}-empty.mp4", _patched(mp4, box, -4, b"\0\0\0\x08")
    yield "width.mp4", _patched(mp4, b"avc1", 28, b"\xff\xff\xff\xff")
    yield "shown-width.mp4", _patched(mp4, b"tkhd", 76 + 4, b"\x7f\xff\0\0\x7f\xff\0\0")
    yield "duration.mp4", _patched(_patched(mp4, b"mvhd", 20, b"\x7f\xff\xff\xff"), b"mdhd", 20, b"\x7f\xff\xff\xff")
    yield "timescale.mp4", _patched(_patched(mp4, b"mvhd", 16, b"\0\0\0\0"), b"mdhd", 16, b"\0\0\0\0")
    for table in (b"stsz", b"stts", b"stsc", b"stco"):
        at = 12 if table == b"stsz" else 8
        yield f"count-{table.decode()}.mp4", _patched(mp4, table, at, b"\x7f\xff\xff\xff")
    yield "sample-size.mp4", _patched(mp4, b"stsz", 8, b"\x7f\xff\xff\xff")
    yield "sample-offset.mp4", _patched(mp4, b"stco", 12, most)
    yield "sample-time.mp4", _patched(mp4, b"stts", 16, b"\x7f\xff\xff\xff")
    wav = good["wav"]
    yield "channels.wav", _patched(wav, b"fmt ", 10, b"\xff\xff")
    yield "no-channels.wav", _patched(wav, b"fmt ", 10, b"\0\0")
    yield "rate.wav", _patched(wav, b"fmt ", 12, most)
    yield "no-rate.wav", _patched(wav, b"fmt ", 12, b"\0\0\0\0")
    yield "bits.wav", _patched(wav, b"fmt ", 22, b"\xff\xff")
    yield "length.wav", _patched(wav, b"data", 4, most)
    avi = good["avi"]
    yield "frames.avi", _patched(avi, b"avih", 24, most)
    yield "streams.avi", _patched(avi, b"avih", 32, b"\xff\xff\0\0")
    yield "size.avi", _patched(avi, b"avih", 40, b"\xff\xff\0\0\xff\xff\0\0")
    yield "rate.avi", _patched(avi, b"strh", 28, b"\0\0\0\0\xff\xff\xff\xff")
    yield "samples.flac", _patched(good["flac"], b"fLaC", 8 + 13, b"\xff\xff\xff\xff\xff")
    yield (
        "size.mkv",
        _patched(good["mkv"], b"\xb0\x81\x80\xba", 0, b"\xb0\x82\xff\xff")
        if (b"\xb0\x81\x80\xba" in good["mkv"])
        else good["mkv"][:300] + b"\xff" * 300,
    )
    yield "segment.mkv", good["mkv"].replace(b"\x18\x53\x80\x67\x01", b"\x18\x53\x80\x67\x00", 1)
    yield "size.gif", _patched(good["gif"], b"GIF8", 6, b"\xff\xff\xff\xff")
    yield "size.bmp", _patched(good["bmp"], b"BM", 18, struct.pack("<ii", 2**30, -(2**30)))
    yield "size.jpeg", _patched(good["jpeg"], b"\xff\xc0", 5, b"\xff\xff\xff\xff")
    yield "size.webp", _patched(good["webp"], b"VP8 ", 14, b"\xff\x3f\xff\x3f")
    yield "id3-size.mp3", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + good["mp3"]
    yield "id3-picture.mp3", b"ID3\3\0\0\0\0\x7f\x7fAPIC\x7f\xff\xff\xff\0\0" + good["mp3"]


def _endless(good: dict[str, bytes]) -> Files:
    """Streams that go on, or say so."""
    packets = len(good["ts"]) // 188 * 188
    yield "again-and-again.ts", good["ts"][:packets] * (MANY_BYTES // packets)
    yield "again-and-again.mp3", good["mp3"] * 60
    yield "zeros.mp3", good["mp3"][:400] + bytes(MANY_BYTES)
    yield "zeros.ts", (b"\x47" + bytes(187)) * (MANY_BYTES // 188)
    yield "empty-packets.flv", good["flv"][:13] + (b"\x09\0\0\0" + bytes(7) + b"\0\0\0\x0b") * 100_000
    yield "empty-clusters.mkv", good["mkv"][:600] + b"\x1f\x43\xb6\x75\x80" * 200_000
    yield "void.mkv", good["mkv"][:100] + b"\xec\x80" * 500_000
    yield "free-boxes.mp4", good["mp4"][:28] + b"\0\0\0\x08free" * 200_000
    yield (
        "nested-boxes.mp4",
        good["mp4"][:28] + b"".join(struct.pack(">I", 8 * (2000 - depth)) + b"moov" for depth in range(2000)),
    )
    yield "many-tracks.mp4", _many_tracks(good["mp4"])
    yield "many-frames.gif", _animated(600, (2, 2))
    yield "no-time.gif", _animated(50).replace(b"\x21\xf9\x04\x00\x0a\x00", b"\x21\xf9\x04\x00\x00\x00")
    yield "one-frame-a-day.mkv", _slow_film("matroska")
    yield "one-frame-a-day.mp4", _slow_film("mp4")
    yield "pages.ogg", b"OggS\0\2" + bytes(20) + b"\1\0" + (b"OggS\0\0" + bytes(20) + b"\0") * 50_000
    yield "streams.ogg", b"".join(_ogg_page(number) for number in range(3000))
    yield "one-second.y4m", b"YUV4MPEG2 W16 H16 F1:1 C420\n" + (b"FRAME\n" + bytes(384)) * 2000


def _slow_film(container: str) -> bytes:
    """Ten pictures, a day apart."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for day in range(10):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), day, np.uint8), "rgb24")):
                packet.pts = packet.dts = day * 86_400 * 10
                out.mux(packet)
    return file.getvalue()


def _many_tracks(mp4: bytes) -> bytes:
    """Two thousand copies of the first track, in a longer moov."""
    moov = mp4.index(b"moov") - 4
    size = struct.unpack(">I", mp4[moov : moov + 4])[0]
    inside = mp4[moov + 8 : moov + size]
    trak = inside.index(b"trak") - 4
    track = inside[trak : trak + struct.unpack(">I", inside[trak : trak + 4])[0]]
    inside += track * 2000
    return mp4[:moov] + struct.pack(">I", len(inside) + 8) + b"moov" + inside


def _ogg_page(serial: int) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 1, 16_000, 0, 64_000, 0, 0xB8, 1)
    page = b"OggS\0\2" + bytes(8) + struct.pack("<III", serial, 0, 0) + bytes([1, len(head)]) + head
    return page


def _huge(good: dict[str, bytes]) -> Files:
    """Few bytes that become a large picture."""
    for side in (20_000, 65_535):
        yield f"{side}.png", _flat_png(side, side, bits=1) if side < 30_000 else _png_head(side, side)
        yield f"{side}.bmp", _patched(good["bmp"], b"BM", 18, struct.pack("<ii", side, side))
        yield f"{side}.ppm", f"P6 {side} {side} 255\n".encode() + bytes(100)
        yield f"{side}.gif", _patched(good["gif"], b"GIF8", 6, struct.pack("<HH", min(side, 65_535), min(side, 65_535)))
        yield f"{side}.y4m", f"YUV4MPEG2 W{side} H{side} F25:1 C420\nFRAME\n".encode() + bytes(10_000)
    yield "wide.png", _flat_png(2_000_000, 4, bits=1)
    yield "large-inside.mp4", _large_inside(good["mp4"])
    yield "tall.tiff", _patched(good["tiff"], good["tiff"][:2], 0, good["tiff"][:2]) + bytes(10)
    yield "psd.psd", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 4, 300_000, 300_000, 16, 4) + bytes(100)
    yield "jp2.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">II", 2**31, 2**31)
    yield "exr.exr", b"\x76\x2f\x31\x01\2\0\0\0dataWindow\0box2i\0\x10\0\0\0" + struct.pack("<iiii", 0, 0, 2**30, 2**30)
    yield "ico.ico", b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0" + struct.pack("<II", 2**31, 22) + bytes(40)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", binascii.crc32(kind + body))


def _png_head(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))


def _flat_png(width: int, height: int, bits: int) -> bytes:
    """A valid picture of nothing: a thousandth of its size in memory."""
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    packed = zlib.compress(bytes((1 + (width * bits + 7) // 8) * height), 1)
    return head + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _large_inside(mp4: bytes) -> bytes:
    """The header says 128x96, the pictures inside are of 4,096x4,096."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        stream.width = stream.height = 4096
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((4096, 4096, 3), np.uint8), "rgb24")
        out.mux([*stream.encode(picture), *stream.encode(None)])
    data = file.getvalue()
    return _patched(data, b"avc1", 28, struct.pack(">HH", 128, 96))


def _playlists() -> Files:
    """Texts that tell a player to open something else."""
    hls = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"
    for number, target in enumerate((SECRET, f"file://{SECRET}", ELSEWHERE, f"concat:{SECRET}|{SECRET}", "../x.ts")):
        yield f"list-{number}.m3u8", f"{hls}#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode()
        yield f"list-{number}.ffconcat", f"ffconcat version 1.0\nfile '{target}'\nduration 5\n".encode()
    yield "endless.m3u8", f"{hls}#EXTINF:1,\n{SECRET}\n".encode()
    yield "key.m3u8", f'{hls}#EXT-X-KEY:METHOD=AES-128,URI="{ELSEWHERE}"\n#EXTINF:1,\nx.ts\n'.encode()
    yield "map.m3u8", f'{hls}#EXT-X-MAP:URI="{SECRET}"\n#EXTINF:1,\nx.ts\n'.encode()
    yield "master.m3u8", f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{ELSEWHERE}\n".encode()
    yield "list.m3u", f"{SECRET}\n".encode()
    yield "list.pls", f"[playlist]\nFile1={ELSEWHERE}\nNumberOfEntries=1\n".encode()
    yield "list.asx", f'<asx version="3.0"><entry><ref href="{ELSEWHERE}"/></entry></asx>'.encode()
    yield (
        "list.xspf",
        f'<?xml version="1.0"?><playlist><track><location>{SECRET}</location></track></playlist>'.encode(),
    )
    yield "list.smil", f'<smil><body><video src="{ELSEWHERE}"/></body></smil>'.encode()
    yield "list.cue", f'FILE "{SECRET}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'.encode()
    yield "session.sdp", b"v=0\no=- 0 0 IN IP4 192.0.2.1\ns=x\nc=IN IP4 192.0.2.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
    yield (
        "manifest.mpd",
        (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
            f'bandwidth="1"><BaseURL>{SECRET}</BaseURL></Representation></AdaptationSet></Period></MPD>'
        ).encode(),
    )
    yield "manifest.ism", b'<?xml version="1.0"?><SmoothStreamingMedia MajorVersion="2" Duration="1"/>'
    yield "script.avs", f'FFVideoSource("{SECRET}")\n'.encode()
    yield "script.vpy", b"import os\nos.system('touch /tmp/mmv-hostile')\n"
    yield "names.txt", f"file '{SECRET}'\n".encode() * 5
    yield "image-%d.jpg", b"%d" * 100
    yield "url.mp4", ELSEWHERE.encode()
    yield "subfile.mp4", f"subfile,,start,0,end,100,,:{SECRET}".encode()


def _pointing_elsewhere(good: dict[str, bytes]) -> Files:
    """Containers in which a field names another file, or hides a playlist."""
    dref = good["mp4"].index(b"dref") + 12
    for kind, target in ((b"url ", ELSEWHERE.encode()), (b"alis", SECRET.encode()), (b"rsrc", b"x")):
        body = kind + b"\0\0\0\0" + target + b"\0"
        yield (
            f"reference-{kind.decode().strip()}.mov",
            _grown(good["mp4"], dref, 12, struct.pack(">I", len(body) + 4) + body),
        )
    yield (
        "rmra.mov",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  "
        + _box(b"moov", _box(b"rmra", _box(b"rmda", _box(b"rdrf", b"\0\0\0\0url \0\0\0\x20" + ELSEWHERE.encode())))),
    )
    # ffmpeg once opened playlists that were the subtitles of an .avi (CVE-2016-1897 and its like)
    playlist = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\n" + SECRET.encode() + b"\n"
    hidden = b"GAB2\0\2\0" + bytes(10) + b"\4\0" + struct.pack("<I", len(playlist)) + playlist
    avi = good["avi"]
    yield "subtitles.avi", avi[:-8] + b"02tx" + struct.pack("<I", len(hidden)) + hidden
    yield "playlist-behind.mp4", good["mp4"] + playlist
    yield "playlist-in-front.mp4", playlist + good["mp4"]
    yield "playlist-in-tags.mp3", b"ID3\3\0\0" + bytes([0, 0, len(playlist) // 128, len(playlist) % 128]) + playlist
    comment = base64.b64encode(playlist)
    yield "playlist-in-comment.ogg", good["ogg"].replace(b"encoder=", b"x=" + comment[:6], 1)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _grown(mp4: bytes, at: int, old: int, new: bytes) -> bytes:
    """Some bytes replaced by longer ones; the sizes of the boxes around them are left as they are, and lie."""
    return mp4[:at] + new + mp4[at + old :]


def _several_things_at_once(good: dict[str, bytes]) -> Files:
    page = b"<html><script>fetch('/v1/videos')</script></html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../../evil.txt", "x")
        packed.writestr("good.mp4", good["mp4"])
    for kind in ("mp4", "png", "gif", "mp3", "wav", "jpeg"):
        yield f"page-behind.{kind}", good[kind] + page
        yield f"archive-behind.{kind}", good[kind] + archive.getvalue()
    yield "film-in-archive.mp4", archive.getvalue()
    yield "page-in-front.mp4", page + good["mp4"]
    yield "gif-and-script.gif", b"GIF89a/*" + bytes(10) + b"*/=1;" + page
    yield "pdf.mp4", b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(x)>>>>endobj\n" + good["mp4"]
    yield "shell.mp4", b"#!/bin/sh\ntouch /tmp/mmv-hostile\n" + good["mp4"]
    yield "two-films.mp4", good["mp4"] + good["mp4"]
    yield "film-and-sound.mp4", good["mp4"][:400] + good["mp3"]
    yield "sound-in-film.mkv", good["mkv"][:300] + good["flac"] + good["mkv"][300:]


def _bombs() -> Files:
    zeros = bytes(20_000_000)
    yield "bomb.zip", _zipped(zeros)
    yield "bomb-in-bomb.zip", _zipped(_zipped(zeros))
    yield "bomb.gz", gzip.compress(zeros, 1)
    yield "bomb.svgz", gzip.compress(b"<svg>" + zeros[:1_000_000], 1)
    yield "bomb.bz2", bz2.compress(zeros[:2_000_000], 1)
    yield "bomb.xz", lzma.compress(zeros, preset=0)
    for kind, name in ((b"zTXt", b"Comment\0\0"), (b"iCCP", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0")):
        text = _chunk(kind, name + zlib.compress(zeros, 1))
        yield f"bomb-{kind.decode()}.png", _png_head(8, 8) + text + _chunk(b"IDAT", zlib.compress(bytes(33 * 8)))
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    yield "laughs.svg", f'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY l0 "ha">{laughs}]><svg>&l9;</svg>'.encode()
    entity = f'<!DOCTYPE s [<!ENTITY x SYSTEM "file://{SECRET}">]>'
    yield "entity.svg", f'<?xml version="1.0"?>{entity}<svg><text>&x;</text></svg>'.encode()
    yield "picture.svg", f'<svg width="99999999" height="99999999"><image href="{ELSEWHERE}"/></svg>'.encode()
    yield "deep.xml", b"<a>" * 200_000
    yield "inflated.swf", b"CWS\x0a" + struct.pack("<I", 2**31) + zlib.compress(zeros, 1)


def _zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr("x.mp4", data)
    return file.getvalue()


def _no_media() -> Files:
    yield "one-byte.mp4", b"\0"
    yield "zeros.mp4", bytes(300_000)
    yield "ones.mkv", b"\xff" * 300_000
    yield "text.mp3", b"la la la\n" * 5000
    yield "page.webm", b"<!doctype html><title>404</title>"
    yield "program.mp4", b"\x7fELF\2\1\1" + bytes(200)
    yield "pickle.mp4", b"\x80\4\x95\x1d\0\0\0\0\0\0\0\x8c\5posix\x8c\6system\x93\x94\x8c\2id\x94\x85\x94R\x94."
    yield "json.wav", b"[" * 100_000
    yield "signature.png", b"\x89PNG\r\n\x1a\n"
    yield "signature.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
    yield "signature.mkv", b"\x1a\x45\xdf\xa3"
    yield "signature.flac", b"fLaC"
    for seed in range(12):
        yield f"noise-{seed}.bin", random.Random(seed).randbytes(1 << (8 + seed))
