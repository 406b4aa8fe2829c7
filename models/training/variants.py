"""int8 and fp16 variants of a bundle's encoders: made, measured against the encoders, recorded or refused."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from models.bundle import Bundle, Variant, set_variants, sha256, variant_file
from models.runtime import open_session
from models.training.halved import halve
from models.training.onnx_graph import read_folded
from models.training.progress import Step, silent
from models.training.quantized import quantize

THRESHOLD = 0.999  # of the mean over inputs
WORST = 0.99  # of every single one
# Whitened, `instance` shows any difference many times larger, and tells pictures apart whose cosines are near 0: its
# cosine is recorded, but refuses nothing.
NOT_JUDGED = ("instance",)
# Text takes a third of a millisecond as it is, and is all heads: they stay float32.
MODALITIES = ("video", "image", "audio")
FEWEST = 2

Precision = Literal["int8", "fp16"]
Samples = Mapping[str, Sequence[np.ndarray]]


class VariantError(Exception):
    """A variant that is not good enough, or cannot be made; the bundle is still whole."""


def add_variant(bundle: Bundle, precision: Precision, samples: Samples, step: Step = silent) -> Bundle:
    """Make a variant of the video, image and audio encoders, and record it in `bundle.json`.

    samples: of each of these modalities some inputs of its encoder, a batch each (uint8 [1, T, H, W, 3], uint8
    [1, H, W, 3], float32 [1, S]). Every second one calibrates, the others measure the cosine of every output to the
    encoder's own; where its mean is under THRESHOLD or the lowest under WORST, that encoder's variant is refused. Good
    ones of other encoders are recorded nevertheless. Cosines are those of this machine: CPUs without VNNI add int8
    products up less exactly.

    Files are complete before they get their names, and the manifest names them last. Raises VariantError.
    """
    modalities = [m for m in MODALITIES if m in bundle.modalities]
    for modality in modalities:
        if len(samples.get(modality, ())) < FEWEST:
            raise VariantError(f"{modality}: at least {FEWEST} inputs are needed, some to calibrate, some to measure")
    made: dict[str, Variant] = {}
    refused: list[str] = []
    scratch = {m: bundle.path / f".{variant_file(m, precision)}.{os.getpid()}" for m in modalities}
    try:
        for modality in modalities:
            step(f"{modality}: {precision}")
            try:
                made[modality] = _make(bundle, modality, precision, samples[modality], scratch[modality])
            except (VariantError, ValueError) as error:
                refused.append(f"{modality}: {error}")
        if made:
            bundle = _put_in_place(bundle, precision, made, scratch)
    finally:
        for path in scratch.values():
            path.unlink(missing_ok=True)
    if refused:
        kept = f" Recorded: {', '.join(made)}." if made else ""
        raise VariantError(f"{precision} refused for {'; '.join(refused)}.{kept}")
    return bundle


def _make(bundle: Bundle, modality: str, precision: Precision, samples: Sequence[np.ndarray], path: Path) -> Variant:
    original = bundle.encoder(modality)
    model = read_folded(original)
    make = quantize if precision == "int8" else halve
    onnx.save(make(model, samples[::2]), path)
    cosines = compare(original, path, samples[1::2])
    for name, values in cosines.items():
        if name not in NOT_JUDGED and not (values.mean() >= THRESHOLD and values.min() >= WORST):
            raise VariantError(
                f"the cosine of {name} to float32 is {values.mean():.4f} in the mean, {values.min():.4f} at worst, "
                f"under {THRESHOLD} or {WORST}"
            )
    return Variant(
        file=variant_file(modality, precision),
        sha256=sha256(path),
        cosine={name: round(float(values.mean()), 6) for name, values in cosines.items()},
        lowest={name: round(float(values.min()), 6) for name, values in cosines.items()},
        samples=len(samples[1::2]),
    )


def compare(original: Path, variant: Path, samples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Cosines of two encoders' outputs, by output, a value for each row of the samples."""
    sessions = [open_session(str(path)) for path in (original, variant)]
    names = [output.name for output in sessions[0].get_outputs()]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for array in samples:
        a, b = (session.run(names, {session.get_inputs()[0].name: array}) for session in sessions)
        for name, x, y in zip(names, a, b, strict=True):
            norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
            rows[name].append((x * y).sum(axis=1) / np.maximum(norms, 1e-12))
    return {name: np.concatenate(values) for name, values in rows.items()}


def _put_in_place(bundle: Bundle, precision: str, made: dict[str, Variant], scratch: dict[str, Path]) -> Bundle:
    known = bundle.variants.get(precision, {})
    rest = {modality: variant for modality, variant in known.items() if modality not in made}
    if rest != known:  # never a manifest with the checksum of a file that was replaced
        bundle = set_variants(bundle, precision, rest)
    for modality, variant in made.items():
        with scratch[modality].open("rb") as file:
            os.fsync(file.fileno())
        scratch[modality].chmod(0o644)
        scratch[modality].replace(bundle.path / variant.file)
    return set_variants(bundle, precision, rest | made)
