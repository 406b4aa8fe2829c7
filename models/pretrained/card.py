"""The card of an imported bundle: README.md beside its encoders, written from what `bundle.json` records."""

from textwrap import fill

from models.bundle import Bundle
from models.pretrained.licence import ATTRIBUTION

CARD = "README.md"
WIDTH = 120


def card(bundle: Bundle) -> str:
    """What the bundle is, where it comes from, what was done to it, and what its licence asks of whoever uses it."""
    checkpoint, spec = bundle.provenance["checkpoint"], bundle.inputs
    paragraphs = [
        f"# {bundle.name}",
        f"MMV, {bundle.backbones['video']} (`{checkpoint['arch']}`), trained by DeepMind on HowTo100M and AudioSet; "
        f"imported by `mmv-search bundle import` from {checkpoint['file']}, sha256 {checkpoint['sha256']}.",
        f"Input: windows of {spec.window_s:g} s, {spec.frames} frames of {spec.frame_height} x {spec.frame_width}; "
        f"mono sound at {spec.sample_rate} Hz; up to {spec.words} words.",
        _words(bundle),
        _deflation(bundle),
        *_audio_norm(bundle),
        f"ONNX against PyTorch: largest relative difference {bundle.metrics['onnx_difference']:.1e}.",
        "## Licence",
        f"{bundle.licence}: attribution, no commercial use. {ATTRIBUTION}. Changed here: converted to ONNX, and the "
        "image network derived from the video network.",
    ]
    return "\n\n".join(p if p.startswith("#") else fill(p, WIDTH) for p in paragraphs) + "\n"


def _words(bundle: Bundle) -> str:
    vocabulary = bundle.provenance["vocabulary"]
    if vocabulary:
        return f"Words: those of {vocabulary['file']}, sha256 {vocabulary['sha256']}."
    return (
        "No words: imported without the vocabulary of its word vectors, the bundle has no text encoder. Searching by "
        "sound, image and clip works; for text import again with --vocab."
    )


def _deflation(bundle: Bundle) -> str:
    found = bundle.metrics["deflation"]
    if found["kind"] == "naive":
        return (
            "Image network: naive deflation (the video network taken out of time, nothing trained), so that image "
            "queries are weaker than they could be; import again with --deflate-frames and a folder of any pictures or "
            "films."
        )
    cosine = found["cosine"]
    return (
        f"Image network: deflation trained on {found['stills']} unlabelled stills in {found['steps']} steps. Mean "
        "cosine of the fine embedding to that of the static clip, on stills left out: naive "
        f"{cosine['naive']:.3f}, trained {cosine['trained']:.3f}."
    )


def _audio_norm(bundle: Bundle) -> list[str]:
    found = bundle.metrics.get("audio_norm")
    if found is None:
        return []
    lengths = found["mean_length"]
    return [
        f"Unlike in the published network, sound's fine embeddings are scaled by {found['audio_scale']:.3g} before the "
        f"head that they share with vision's (mean lengths on {found['windows']} windows: vision "
        f"{lengths['video']:.3g}, sound {lengths['audio']:.3g})."
    ]
