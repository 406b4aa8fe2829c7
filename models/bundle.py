"""The model bundle: a directory of ONNX encoders and `bundle.json`, the only thing the service needs of a model."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
MANIFEST = "bundle.json"
ENCODERS = {"video": "video.onnx", "image": "image.onnx", "audio": "audio.onnx", "text": "text.onnx"}
VOCABULARY = "vocab.txt"
SHIPPED = "freedoom-fac-small"
# `resize.Resizer`: area averaging, as our own networks are trained; bilinear, as the published weights need it.
RESIZE_METHODS = ("area", "bilinear")
# What encoders may compute in beside their own float32: int8 convolutions for CPUs, fp16 for GPUs.
PRECISIONS = ("int8", "fp16")


class BundleError(Exception):
    """A bundle that cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class InputSpec:
    """What the encoders take. A window of `window_s` seconds is `frames` pictures, `window_s / frames` apart."""

    window_s: float
    hop_s: float  # from one window of a film to the next
    frames: int
    frame_height: int
    frame_width: int
    sample_rate: int
    words: int
    audio: str = "waveform"
    resize: str = "area"  # how pictures come to that size: one of RESIZE_METHODS
    hyphens: str = "split"  # in texts: "split" words, or "join" them (`preprocess.text.split_words`)

    def __post_init__(self) -> None:
        if self.hyphens not in ("split", "join"):
            raise ValueError(f"hyphens is {self.hyphens!r}; it must be split or join")
        if self.resize not in RESIZE_METHODS:
            raise ValueError(f"resize is {self.resize!r}; it must be one of {', '.join(RESIZE_METHODS)}")

    @property
    def step_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.window_s / self.frames


@dataclass(frozen=True)
class Variant:
    """An encoder in another precision. Cosines are to the encoder itself, by output, on inputs it was not made with."""

    file: str
    sha256: str
    cosine: dict[str, float]  # the mean over `samples` inputs
    lowest: dict[str, float]
    samples: int


@dataclass(frozen=True)
class Bundle:
    """A loaded and checked `bundle.json`.

    `fingerprint` identifies the model that vectors come from: what its encoders are and take, not what is told of them
    nor which variants there are, whose vectors are interchangeable with the encoders' own.
    """

    path: Path
    fingerprint: str
    name: str
    graph: str
    backbones: dict[str, str]
    dims: dict[str, int]
    inputs: InputSpec
    network: dict[str, Any]  # sizes of the PyTorch network, for those who train on from here
    licence: str
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]
    variants: dict[str, dict[str, Variant]] = field(default_factory=dict)  # by precision, then modality

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which encoders the bundle has, of video, image, audio, text."""
        return tuple(m for m, f in ENCODERS.items() if f in self.files)

    @property
    def checksums(self) -> dict[str, str]:
        """sha256 of every file beside the manifest, variants included."""
        of_variants = {v.file: v.sha256 for encoders in self.variants.values() for v in encoders.values()}
        return self.files | of_variants

    def encoder(self, modality: str, precision: str = "fp32") -> Path:
        """Path of one encoder. Raises BundleError when the bundle has none for that modality and precision."""
        if modality not in self.modalities:
            raise BundleError(f"bundle {self.name} has no {modality} encoder; it has {', '.join(self.modalities)}")
        if precision == "fp32":
            return self.path / ENCODERS[modality]
        if modality not in self.variants.get(precision, {}):
            there = ", ".join(["fp32", *(p for p, encoders in self.variants.items() if modality in encoders)])
            raise BundleError(f"bundle {self.name} has no {modality} encoder in {precision}; it has {there}")
        return self.path / self.variants[precision][modality].file

    def require(self, precision: str) -> None:
        """Raises BundleError when no encoder is there in this precision."""
        if precision != "fp32" and not self.variants.get(precision):
            raise BundleError(
                f"bundle {self.name} has no {precision} variant. Make it with: mmv-search bundle quantize {self.path} "
                f"--precision {precision} --calibrate FOLDER (a folder of your own films and pictures)"
            )


def shipped_bundle_path() -> Path:
    """The bundle that comes with the package."""
    return Path(__file__).parent / "bundles" / SHIPPED


def load_bundle(path: str | Path) -> Bundle:
    """Read and check a bundle: schema, required fields, the sha256 of every file. Raises BundleError."""
    path = Path(path)
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"{path} is not a model bundle: it has no {MANIFEST}")
    raw = manifest.read_bytes()
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"{manifest} is not valid JSON: {error}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise BundleError(f"{manifest}: schema {schema!r} is not known; this version reads {SCHEMA}")
    try:
        bundle = Bundle(
            path=path,
            fingerprint=_fingerprint(data),
            inputs=InputSpec(**data["inputs"]),
            variants={
                precision: {modality: Variant(**told) for modality, told in encoders.items()}
                for precision, encoders in data.get("variants", {}).items()
            },
            **{
                k: data[k]
                for k in ("name", "graph", "backbones", "dims", "network", "licence", "provenance", "metrics", "files")
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{manifest}: missing or unexpected field: {error}") from None
    except ValueError as error:
        raise BundleError(f"{manifest}: inputs: {error}") from None
    for name, digest in bundle.checksums.items():
        if Path(name).name != name:
            raise BundleError(f"{manifest}: {name!r} is not a plain file name")
        file = path / name
        if not file.is_file():
            raise BundleError(f"{path}: {name} is missing")
        if sha256(file) != digest:
            raise BundleError(f"{file} does not have the sha256 that {MANIFEST} records: it is damaged or was changed")
    if "text.onnx" in bundle.files and VOCABULARY not in bundle.files:
        raise BundleError(f"{path}: a bundle with text.onnx needs {VOCABULARY}")
    return bundle


def write_manifest(
    path: Path,
    *,
    name: str,
    graph: str,
    backbones: dict[str, str],
    dims: dict[str, int],
    inputs: InputSpec,
    network: dict[str, Any],
    licence: str,
    provenance: dict[str, Any],
    metrics: dict[str, Any],
) -> Bundle:
    """Write `bundle.json` for the encoders already in `path`, and load the result."""
    variants = {variant_file(modality, precision) for modality in ENCODERS for precision in PRECISIONS}
    files = {
        f.name: sha256(f) for f in sorted(path.iterdir()) if f.suffix in (".onnx", ".txt") and f.name not in variants
    }
    data = {
        "schema": SCHEMA,
        "name": name,
        "graph": graph,
        "backbones": backbones,
        "dims": dims,
        "inputs": asdict(inputs),
        "network": network,
        "licence": licence,
        "provenance": provenance,
        "metrics": metrics,
        "files": files,
    }
    (path / MANIFEST).write_text(_dump(data), encoding="utf-8")
    return load_bundle(path)


def rewrite_metrics(bundle: Bundle, metrics: dict[str, Any]) -> Bundle:
    """Record metrics that were measured with the bundle itself."""
    manifest = bundle.path / MANIFEST
    data = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(_dump({**data, "metrics": metrics}), encoding="utf-8")
    return load_bundle(bundle.path)


def set_variants(bundle: Bundle, precision: str, encoders: dict[str, Variant]) -> Bundle:
    """Write which variants of one precision there are, by modality. Their files must be in place already."""
    manifest = bundle.path / MANIFEST
    data = json.loads(manifest.read_text(encoding="utf-8"))
    data.setdefault("variants", {})[precision] = {modality: asdict(variant) for modality, variant in encoders.items()}
    temporary = manifest.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(_dump(data))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(manifest)
    return load_bundle(bundle.path)


def variant_file(modality: str, precision: str) -> str:
    """File name of an encoder in another precision: `video.int8.onnx`."""
    return f"{modality}.{precision}.onnx"


def _fingerprint(data: dict[str, Any]) -> str:
    identity = {key: data[key] for key in ("inputs", "dims", "files")}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
