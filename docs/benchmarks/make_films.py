"""Films of the real world for `known_items.py`: photographs under a moving camera, with recorded sounds and voices.

    apt-get download tuxpaint-stamps-default && dpkg -x tuxpaint-stamps-default*.deb STAMPS
    python docs/benchmarks/make_films.py --stamps STAMPS --out FILMS

The pictures and sounds are Tux Paint's stamps (GPL-2, never bundled). The network has seen nothing like them.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

FPS, WIDTH, HEIGHT, RATE = 15, 480, 270, 32_000
SCENE_S = 6.0


def main() -> None:
    """One command line, one folder of films."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamps", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pictures = sorted(p for p in args.stamps.rglob("*.png") if "cartoon" not in p.parts and is_photograph(p))
    sounds = sorted(p for p in args.stamps.rglob("*.ogg") if p.stat().st_size > 8000)
    rng = np.random.default_rng(args.seed)
    for i in range(args.films):
        path = args.out / f"film-{i:02d}.mp4"
        chosen = [pictures[j] for j in rng.choice(len(pictures), args.scenes, replace=False)]
        heard = [sounds[j] for j in rng.choice(len(sounds), 4 * args.scenes, replace=False)]
        write_film(path, chosen, track(heard, SCENE_S * len(chosen)), rng)
        print(path)


def is_photograph(path: Path) -> bool:
    """Large, and of many colours: not an outline or a symbol."""
    with Image.open(path) as image:
        if min(image.size) < 200:
            return False
        return len(image.convert("RGB").resize((64, 64)).getcolors(4096) or []) > 600


def write_film(path: Path, pictures: list[Path], wave: np.ndarray, rng: np.random.Generator) -> None:
    """Scenes of SCENE_S seconds, each its own picture, with a sound float32 [S] at RATE."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "24"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        for picture in pictures:
            for frame in scene(picture, rng):
                out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        for start in range(0, len(wave), 1024):
            chunk = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts, chunk.time_base = RATE, start, Fraction(1, RATE)
            out.mux(audio.encode(chunk))
        out.mux(audio.encode(None))


def scene(picture: Path, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The picture over an enlarged copy of itself, both drifting: uint8 [HEIGHT, WIDTH, 3] frames."""
    image = Image.open(picture).convert("RGBA")
    ground = Image.new("RGBA", image.size, tuple(int(c) for c in rng.integers(40, 216, 3)))
    backdrop = Image.alpha_composite(ground, image).convert("RGB").resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BOX)
    size = rng.uniform(0.6, 0.9) * HEIGHT
    scale = size / max(image.size)
    cut = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    start, way = rng.uniform(0, 0.4, 2), rng.uniform(-0.3, 0.3, 2)
    count = round(SCENE_S * FPS)
    for i in range(count):
        t = i / count
        left, top = (np.clip(start + way * t, 0, 1) * (WIDTH, HEIGHT)).astype(int)
        view = backdrop.crop((left, top, left + WIDTH, top + HEIGHT))
        x, y = (0.5 - way * (t - 0.5)) * (WIDTH - cut.width, HEIGHT - cut.height)
        view.paste(cut, (round(x), round(y)), cut)
        yield np.asarray(view)


def track(sounds: list[Path], seconds: float) -> np.ndarray:
    """The sounds one after the other, without regard to cuts, repeated to the length: float32 [S] at RATE."""
    parts = []
    for path in sounds:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                parts += [out.to_ndarray().reshape(-1) for out in resampler.resample(frame)]
    wave = np.concatenate(parts)
    return np.resize(wave, round(seconds * RATE)).astype(np.float32)


if __name__ == "__main__":
    main()
