"""`mmv-search bundle quantize`."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from models.command_errors import clear_errors, console

if TYPE_CHECKING:
    from models.bundle import Bundle, InputSpec

STILLS_PER_WINDOW = 4  # a window has many frames


def quantize(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder; the variant is added to it.")],
    calibrate: Annotated[
        Path, typer.Option(help="A folder of films, and perhaps pictures, of the kind you search; no labels needed.")
    ],
    precision: Annotated[Literal["int8", "fp16"], typer.Option(help="int8 for CPUs, fp16 for GPUs.")] = "int8",
    count: Annotated[
        int, typer.Option(min=4, help="How many windows and sounds to take of it; four times as many stills.")
    ] = 40,
) -> None:
    """Make faster encoders for a bundle. Serve with them by setting MMV_PRECISION to int8 or fp16.

    Half of the material calibrates, half measures: a variant whose vectors are not the bundle's own is refused.
    """
    with clear_errors():
        from models.bundle import load_bundle
        from models.training.variants import add_variant

        loaded = load_bundle(bundle)
        console.print(f"reading {calibrate}", highlight=False, soft_wrap=True, markup=False)
        samples = read_samples(calibrate, loaded.inputs, count)
        missing = [m for m in ("video", "image", "audio") if m in loaded.modalities and len(samples[m]) < 2]
        if missing:
            raise ValueError(f"{calibrate} has too little for: {', '.join(missing)}; it needs films with sound")
        made = add_variant(loaded, precision, samples, lambda what: console.print(what, highlight=False))
        report(made, precision)
        console.print(f"made. Serve with it: MMV_PRECISION={precision}", highlight=False)


def read_samples(folder: Path, inputs: "InputSpec", count: int) -> dict[str, list[np.ndarray]]:
    """Inputs of each encoder, a batch of one each: up to `count` windows and sounds, and more stills.

    Out of the films, sounds and pictures of a folder, evenly spread over the files, from the beginning of each. Raises
    ValueError where there is nothing to see.
    """
    from models.preprocess.windows import spread
    from models.training.data.folder import film_windows, media_files, sound_windows, stills

    def taken(of: list[Path], read: Callable[[Path, "InputSpec"], Iterator[np.ndarray]]) -> list[np.ndarray]:
        if not of:
            return []
        per_file = -(-count // len(of))
        each = (piece for i in spread(len(of), count) for piece in islice(read(of[i], inputs), per_file))
        return [piece[None] for piece in islice(each, count)]

    files = list(media_files(folder))
    return {
        "video": taken([path for path, info in files if info.has_video and not info.is_image], film_windows),
        "image": [still[None] for still in stills(folder, inputs, STILLS_PER_WINDOW * count)],
        "audio": taken([path for path, info in files if info.has_audio], sound_windows),
    }


def report(bundle: "Bundle", precision: str) -> None:
    """Print the cosines of a variant."""
    for modality, variant in bundle.variants[precision].items():
        told = ", ".join(f"{name} {mean:.4f} ({variant.lowest[name]:.4f})" for name, mean in variant.cosine.items())
        console.print(f"{modality}: cosine to float32, mean (lowest) of {variant.samples}: {told}", highlight=False)
