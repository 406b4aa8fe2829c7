"""A published checkpoint to a bundle that the service runs: weights, image network, words, ONNX, and the proof."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from models.bundle import Bundle, BundleError, InputSpec, load_bundle, rewrite_metrics, sha256
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.preprocess.text import VocabularyError, read_vocabulary
from models.pretrained.audio_norm import correct_audio_norm
from models.pretrained.card import CARD, card
from models.pretrained.deflate import deflate_on_stills
from models.pretrained.published import LICENCE
from models.pretrained.weights import load_checkpoint
from models.training.data.word_vectors import WordTable
from models.training.encoders import encoder_modules
from models.training.export import export_bundle, require_replaceable
from models.training.run import git_revision
from models.training.verify import compare

# `bundle verify` asks for 1e-4. Deep networks without shortcuts (S3D-G) can come close by rounding alone, depending on
# their weights: the import tells the figure, and refuses only what must be a fault.
WRONG = 1e-3


@dataclass(frozen=True)
class ImportOptions:
    """What an import may add to the weights."""

    vocabulary: Path | None = None  # the words of the checkpoint's word vectors
    deflate_stills: Path | None = None  # a folder of unlabelled pictures or films
    deflate_steps: int = 300
    audio_norm: Path | None = None  # a folder of films with sound
    size: int = 200


def published_inputs(size: int) -> InputSpec:
    """3.2 s at 10 frames a second, square frames; sound at 48 kHz; 16 words (MMV's training inputs)."""
    return InputSpec(3.2, 1.6, 32, size, size, 48_000, 16, resize="bilinear", hyphens="join")


def import_checkpoint(checkpoint: Path, arch: str, out: Path, options: ImportOptions, console: Console) -> Bundle:
    """Write the bundle of a published checkpoint to `out`, checked against PyTorch; an earlier bundle is replaced last.

    Raises CheckpointError, VocabularyError, BundleError or ValueError; what was computed for the deflation is kept in
    `<out>.work` for the next try.
    """
    unverified = out.with_name(f"{out.name}.unverified")
    for folder in (out, unverified):
        require_replaceable(folder)
    inputs = published_inputs(options.size)
    words = read_vocabulary(options.vocabulary) if options.vocabulary else None
    with console.status(f"reading {checkpoint.name}"):
        network = load_checkpoint(checkpoint, arch)
        digest = sha256(checkpoint)
    table = _word_table(network, words, options.vocabulary, console)
    metrics: dict[str, Any] = {}
    if options.audio_norm:
        metrics["audio_norm"] = correct_audio_norm(network, options.audio_norm, inputs, console)
    deflated = DeflatedMMV(network)
    metrics["deflation"] = {"kind": "naive"}
    work = out.with_name(f"{out.name}.work") / digest[:12]
    if options.deflate_stills:
        metrics["deflation"] = deflate_on_stills(
            network, deflated, options.deflate_stills, inputs, options.deflate_steps, work, console
        )
    try:
        with console.status("exporting") as status:
            bundle = export_bundle(
                network,
                deflated,
                table,
                inputs,
                unverified,
                name=out.name,
                licence=f"{LICENCE} (weights by DeepMind)",
                provenance=_provenance(checkpoint, digest, arch, options.vocabulary),
                metrics=metrics,
                fp16=False,
                step=status.update,
            )
            status.update("comparing ONNX with PyTorch")
            metrics["onnx_difference"] = _difference(bundle, network, deflated, table)
        bundle = rewrite_metrics(bundle, metrics)
        (bundle.path / CARD).write_text(card(bundle), encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        unverified.rename(out)
    finally:
        shutil.rmtree(unverified, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):  # it holds the work of another checkpoint, or was never made
        work.parent.rmdir()
    return load_bundle(out)


def _word_table(network: MMV, words: list[str] | None, vocabulary: Path | None, console: Console) -> WordTable | None:
    """The checkpoint's word vectors with the file's words; None without a file: which word is which is not guessed."""
    if words is None:
        return None
    vectors = network.text.embed.weight.detach().numpy()
    if len(words) > len(vectors):
        raise VocabularyError(
            f"{vocabulary} has {len(words):,} words, but the checkpoint {len(vectors):,} word vectors: they do not "
            "belong together"
        )
    if len(words) < len(vectors):  # as of a list that was cut short: those that are there are right
        console.print(
            f"[yellow]warning:[/yellow] {vocabulary} has {len(words):,} words for {len(vectors):,} word vectors. Is it "
            "the whole list, and that of this checkpoint? The other words will be unknown.",
            soft_wrap=True,
        )
    return WordTable(words, vectors, np.ones((len(vectors), 1), np.float32))


def _difference(bundle: Bundle, network: MMV, deflated: DeflatedMMV, table: WordTable | None) -> float:
    """The largest relative difference of ONNX to PyTorch. Raises BundleError where it is more than rounding can be."""
    differences = list(compare(bundle, encoder_modules(network, deflated, table)))
    worst = max(differences, key=lambda d: d.relative)
    if not worst.relative <= WRONG:
        raise BundleError(
            f"the exported {worst.modality} encoder differs from PyTorch by {worst.relative:.1e} in {worst.output}; no "
            "bundle was written"
        )
    return worst.relative


def _provenance(checkpoint: Path, digest: str, arch: str, vocabulary: Path | None) -> dict[str, Any]:
    return {
        "checkpoint": {"file": checkpoint.name, "sha256": digest, "arch": arch},
        "vocabulary": vocabulary and {"file": vocabulary.name, "sha256": sha256(vocabulary)},
        "git_revision": git_revision(),
        "torch": torch.__version__,
    }
