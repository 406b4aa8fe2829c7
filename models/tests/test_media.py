"""Reading media: what is where on the time line, how frames are fitted, and what is refused."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from models.preprocess.media import MediaError, frames_on_grid, probe, read_audio, read_frames, read_image
from models.preprocess.published import centre_crop, resize_smaller_side
from models.tests import media_samples


def counting_film(
    path: Path, *, fps: int = 10, frames: int = 30, aspect: Fraction | None = None, start: int = 0
) -> Path:
    """A film whose frame i is all of the grey level 8 i; its first frame has the time stamp `start` (in frames)."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = i + start, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def shown(frames: list[np.ndarray]) -> list[int]:
    """Which frame of a counting film each is."""
    return [round(float(f.mean()) / 8) for f in frames]


def test_the_grid_takes_the_picture_on_show_at_each_time(tmp_path: Path) -> None:
    path = counting_film(tmp_path / "film.mp4")
    assert shown(list(read_frames(path, 0.4, 24, 32))) == [0, 4, 8, 12, 16, 20, 24, 28]


def test_a_grid_finer_than_the_film_repeats_pictures(tmp_path: Path) -> None:
    path = counting_film(tmp_path / "film.mp4", fps=5, frames=3)
    assert shown(list(read_frames(path, 0.1, 24, 32))) == [0, 0, 1, 1, 2, 2]


def test_time_starts_with_the_first_picture_whatever_its_stamp(tmp_path: Path) -> None:
    path = counting_film(tmp_path / "film.mkv", start=25)
    assert shown(list(read_frames(path, 0.5, 24, 32))) == [0, 5, 10, 15, 20, 25]


def test_frames_cover_the_target_and_lose_only_the_sides(tmp_path: Path) -> None:
    picture = np.zeros((40, 120, 3), np.uint8)
    picture[:, :40], picture[:, 40:80], picture[:, 80:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "wide.png")
    fitted = read_image(tmp_path / "wide.png", 20, 20)
    assert fitted.shape == (20, 20, 3)
    assert fitted[10, 10].argmax() == 1
    assert (fitted[:, 2:-2].argmax(axis=2) == 1).all()  # only the middle third is left


def test_oblong_pixels_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 28:36] = 255
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 5)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    bar = (next(read_frames(path, 0.2, 48, 128)).mean(axis=(0, 2)) > 128).sum()
    assert abs(int(bar) - 16) <= 1


def test_photographs_are_turned_upright_and_laid_on_white(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = (255, 0, 0)
    image = Image.fromarray(picture)
    exif = image.getexif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    image.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    upright = read_image(tmp_path / "phone.jpg", 40, 20)
    assert upright[10, 10, 0] > 200
    assert upright[30, 10, 0] < 50
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png", 10, 10) == 255).all()


def test_sound_is_resampled_to_mono_at_full_length(tmp_path: Path) -> None:
    wave = (0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / media_samples.RATE)).astype(np.float32)
    path = media_samples.sound_file(tmp_path / "tone.wav", wave=wave)
    chunks = list(read_audio(path, 8000, chunk=3000))
    assert [len(c) for c in chunks[:-1]] == [3000] * (len(chunks) - 1)
    heard = np.concatenate(chunks)
    assert abs(len(heard) - 16_000) <= 20
    assert np.abs(np.fft.rfft(heard[:16_000])).argmax() == pytest.approx(880, abs=2)  # 2 s: half-hertz bins
    assert heard.dtype == np.float32


@pytest.mark.parametrize("delay", [0.5, -0.5])
def test_sound_keeps_its_place_beside_the_picture(tmp_path: Path, delay: float) -> None:
    """A click 1 s after the picture starts is at 1 s, whichever of the two streams starts first."""
    path = tmp_path / "film.mkv"
    rate = 16_000
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        for i in range(30):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = i + 10, Fraction(1, 10)  # the picture starts at the stamp 1 s
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        begins = 1 + delay
        samples = np.zeros((1, 2 * rate), np.int16)
        samples[0, round((2 - begins) * rate) :][:160] = 20_000
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = rate, round(begins * rate), Fraction(1, rate)
        out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    heard = np.concatenate(list(read_audio(path, rate)))
    assert np.abs(heard).argmax() / rate == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_sound_after_a_gap_keeps_its_place(tmp_path: Path, suffix: str) -> None:
    """A click at 4 s stays there when the packets of a second before it are lost."""
    whole = media_samples.film(tmp_path / "whole.mkv", waves=[media_samples.click(4.0, 6.0)])
    lossy = media_samples.remuxed(whole, tmp_path / f"lossy.{suffix}", without_sound=(2.0, 3.0))
    packets = [sum(1 for _ in av.open(str(path)).demux(audio=0)) for path in (whole, lossy)]
    assert packets[0] - packets[1] >= 15
    for path in (whole, lossy):
        heard = np.concatenate(list(read_audio(path, media_samples.RATE)))
        assert len(heard) / media_samples.RATE == pytest.approx(6.0, abs=0.1)
        assert np.abs(heard).argmax() / media_samples.RATE == pytest.approx(4.0, abs=0.03)


def steady_sound(path: Path, starts: list[tuple[int, float]], options: dict[str, str] | None = None) -> bytes:
    """The bytes of a file with 20 mp2 frames of 72 ms for each of `starts`: the number of the first, a time added."""
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream("mp2", rate=16_000, layout="mono")
        for first, added in starts:
            for i in range(first, first + 20):
                frame = av.AudioFrame.from_ndarray(np.full((1, 1152), 1000, np.int16), format="s16", layout="mono")
                frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
                frame.pts = i * 1152 + round(added * 16_000)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


def test_sound_whose_clock_jumps_goes_on(tmp_path: Path) -> None:
    """Stamps that jump back, or by a day, are a new clock and no reason for silence; what comes twice is heard once."""
    long = tmp_path / "long.mkv"
    steady_sound(long, [(0, 0.0), (20, 86_400.0)], {"live": "1"})  # live: with no declared duration
    again = tmp_path / "again.ts"
    again.write_bytes(steady_sound(tmp_path / "a.ts", [(0, 0.0)]) * 2)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(steady_sound(tmp_path / "b.ts", [(0, 0.0)]) + steady_sound(tmp_path / "c.ts", [(15, 0.0)]))
    for path, frames in ((long, 40), (again, 40), (twice, 35)):
        heard = sum(len(chunk) for chunk in read_audio(path, 8000))
        assert heard / 8000 == pytest.approx(frames * 0.072, abs=0.06), path.name


def test_sound_may_change_its_layout_and_rate_midway(tmp_path: Path) -> None:
    parts = []
    for rate, layout, pitch in ((44_100, "mono", 440), (48_000, "stereo", 1000)):
        path = tmp_path / f"{layout}.aac"
        tone = 0.5 * np.sin(2 * np.pi * pitch * np.arange(2 * rate) / rate)
        with av.open(str(path), "w") as out:
            stream = out.add_stream("aac", rate=rate, layout=layout)
            for start in range(0, len(tone), 1024):
                samples = np.tile(tone[start : start + 1024].astype(np.float32), (stream.channels, 1))
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        parts.append(path.read_bytes())
    (tmp_path / "both.aac").write_bytes(b"".join(parts))
    heard = np.concatenate(list(read_audio(tmp_path / "both.aac", 8000)))
    assert len(heard) / 8000 == pytest.approx(4.0, abs=0.1)
    for start, pitch in ((4000, 440), (20_000, 1000)):
        assert np.abs(np.fft.rfft(heard[start : start + 8000])).argmax() == pytest.approx(pitch, abs=2)


def test_sound_that_needs_no_conversion_is_read_to_its_end(tmp_path: Path) -> None:
    wave = media_samples.sound(1, 1.5)
    with av.open(str(tmp_path / "float.wav"), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=media_samples.RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = media_samples.RATE, 0, Fraction(1, media_samples.RATE)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert (np.concatenate(list(read_audio(tmp_path / "float.wav", media_samples.RATE))) == wave).all()


@pytest.mark.parametrize("aspect", [1, 2])
def test_a_phones_film_is_upright(tmp_path: Path, aspect: int) -> None:
    path = media_samples.phone_film(tmp_path / "phone.mp4", aspect=Fraction(aspect))
    info = probe(path)
    assert (info.width, info.height) == (96, 128 * aspect)  # the pixels are oblong in the film as stored
    frame = next(read_frames(path, 0.4, 64 * aspect, 48))
    assert frame.shape == (64 * aspect, 48, 3)
    assert frame[: 14 * aspect].mean() > 230
    assert frame[18 * aspect :].mean() < 25


@pytest.mark.parametrize("aspect", [1, 2])
def test_a_phones_film_is_upright_as_published_too(tmp_path: Path, aspect: int) -> None:
    path = media_samples.phone_film(tmp_path / "phone.mp4", aspect=Fraction(aspect))
    frame = next(read_frames(path, 0.4, 64 * aspect, 48, method="bilinear"))
    assert frame.shape == (64 * aspect, 48, 3)
    assert frame[: 14 * aspect].mean() > 230
    assert frame[18 * aspect :].mean() < 25


def test_films_and_stills_are_resized_as_published_when_asked(tmp_path: Path) -> None:
    path = media_samples.film(tmp_path / "film.mp4", 5, 2.0)
    given = list(read_frames(path, 0.1, 50, 50, method="bilinear"))
    whole = [frame.to_ndarray(format="rgb24") for frame in frames_on_grid(path, 0.1)]
    assert len(given) == 20
    for frame, full in zip(given, whole, strict=True):
        assert np.array_equal(frame, centre_crop(resize_smaller_side(full, 50), 50))
    picture = media_samples.picture(5, 0.0)
    Image.fromarray(picture).save(tmp_path / "still.png")
    still = read_image(tmp_path / "still.png", 50, 50, method="bilinear")
    assert np.array_equal(still, centre_crop(resize_smaller_side(picture, 50), 50))
    assert not np.array_equal(still, read_image(tmp_path / "still.png", 50, 50))
    with pytest.raises(ValueError, match="'cubic'"):
        read_image(tmp_path / "still.png", 50, 50, method="cubic")


def test_an_oblong_films_size_is_the_one_shown(tmp_path: Path) -> None:
    info = probe(counting_film(tmp_path / "film.mp4", aspect=Fraction(2, 1)))
    assert (info.width, info.height) == (128, 48)


def test_intact_films_are_not_called_cut_off(tmp_path: Path) -> None:
    """A second sound track may be longer; a bit rate that rises makes an mp3 look longer than it is."""
    for suffix in ("mp4", "mkv"):
        waves = [media_samples.sound(0, 3), media_samples.sound(1, 9)]
        info = probe(media_samples.film(tmp_path / f"tracks.{suffix}", seconds=3, waves=waves))
        assert info.duration_s == pytest.approx(3, abs=0.15)
    data = b""
    for bit_rate in (8_000, 160_000):
        path = tmp_path / f"{bit_rate}.mp3"
        with av.open(str(path), "w", options={"write_xing": "0", "id3v2_version": "0"}) as out:
            stream = out.add_stream("libmp3lame", rate=media_samples.RATE, layout="mono")
            stream.bit_rate = bit_rate
            frame = av.AudioFrame.from_ndarray(media_samples.sound(2, 4)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = media_samples.RATE, 0, Fraction(1, media_samples.RATE)
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        data += path.read_bytes()
    (tmp_path / "rising.mp3").write_bytes(data)
    with av.open(str(tmp_path / "rising.mp3")) as container:
        assert container.duration is not None
        assert container.duration / av.time_base > 16
    assert probe(tmp_path / "rising.mp3").duration_s == pytest.approx(8, abs=0.3)


def test_an_mp4_that_lacks_a_little_is_cut_off(tmp_path: Path) -> None:
    """Its index is in front, and 2% of the bytes are missing: less than the durations would tell."""
    film = media_samples.film(tmp_path / "film.mp4", seconds=12)
    whole = media_samples.remuxed(film, tmp_path / "whole.mp4", options={"movflags": "faststart"})
    assert probe(whole).duration_s == pytest.approx(12, abs=0.15)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(0.98 * whole.stat().st_size)])
    with pytest.raises(MediaError) as caught:
        probe(cut)
    assert caught.value.code == "truncated_media"


def test_probe_tells_what_a_file_holds(tmp_path: Path) -> None:
    film = probe(media_samples.film(tmp_path / "film.mp4", seconds=3))
    assert (film.has_video, film.has_audio, film.width, film.height) == (True, True, 128, 96)
    assert film.duration_s == pytest.approx(3, abs=0.15)
    silent = probe(media_samples.silent_film(tmp_path / "silent.mp4", seconds=2))
    assert (silent.has_video, silent.has_audio) == (True, False)
    for suffix in ("wav", "mp3", "flac"):
        sound = probe(media_samples.sound_file(tmp_path / f"sound.{suffix}", seconds=2))
        assert (sound.has_video, sound.has_audio) == (False, True)
        assert sound.duration_s == pytest.approx(2, abs=0.1)
    cover = probe(media_samples.sound_with_cover(tmp_path / "cover.mp3"))
    assert (cover.has_video, cover.has_audio) == (False, True)
    assert probe(media_samples.still(tmp_path / "still.png")).is_image


def test_files_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    whole = media_samples.film(tmp_path / "whole.mkv", seconds=6)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused = {
        "empty_file": media_samples.empty_file(tmp_path / "empty.mp4"),
        "not_media": media_samples.text_named_mp4(tmp_path / "text.mp4"),
        "truncated_media": media_samples.truncated_film(tmp_path / "truncated.mp4"),
    }
    for code, path in {**refused, "truncated_media ": cut}.items():
        with pytest.raises(MediaError) as caught:
            probe(path)
        assert caught.value.code == code.strip()
        assert caught.value.message.endswith(".")
    with pytest.raises(MediaError) as caught:
        probe(whole, max_duration_s=5)
    assert caught.value.code == "media_too_long"
    with pytest.raises(MediaError) as caught:
        probe(whole, max_pixels=100)
    assert caught.value.code == "media_too_large"


def test_playlists_open_no_other_file(tmp_path: Path) -> None:
    media_samples.film(tmp_path / "film.mp4")
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile film.mp4\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfilm.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.txt", "list.m3u8"):
        with pytest.raises(MediaError) as caught:
            probe(tmp_path / name)
        assert caught.value.code == "not_media"


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_pictures_that_cannot_be_read_say_why(data: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        read_image(data, 10, 10)
    assert caught.value.code in ("empty_file", "not_an_image")


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    media_samples.still(tmp_path / "still.png")
    with pytest.raises(MediaError) as caught:
        read_image(tmp_path / "still.png", 10, 10, max_pixels=100)
    assert caught.value.code == "media_too_large"
