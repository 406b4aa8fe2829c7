"""The bundle's card: README.md beside its encoders, written from what `bundle.json` records."""

from textwrap import fill
from typing import Any

from models.bundle import Bundle
from models.training.evaluation.footage_pictures import FAILURES, FOUND
from models.training.evaluation.footage_report import report

CARD = "README.md"
WIDTH = 120


def card(bundle: Bundle, parameters: int) -> str:
    """A page for whoever is about to use the bundle: data, recipe, figures with chance levels, limits, licence."""
    paragraphs = [
        f"# {bundle.name}",
        f"An MMV network with the {_graph(bundle)} embedding graph ({parameters / 1e6:.1f} M trained parameters) that "
        "embeds clips, stills, sounds and words. Written by `mmv-search export`.",
        "## What it can find",
        _scope(bundle),
        "## Input",
        _input(bundle),
        "## Recipe",
        *_recipe(bundle),
    ]
    if "retrieval" in bundle.metrics:
        option = " --deflation" if "deflation" in bundle.metrics else ""
        paragraphs += ["## Figures", report(bundle.metrics, f"mmv-search evaluate BUNDLE --data DATA{option}").rstrip()]
    paragraphs += _pictures(bundle)
    paragraphs += ["## Licence", bundle.licence + "."]
    return "\n\n".join(p if p.startswith(("#", "|")) or "\n" in p else fill(p, WIDTH) for p in paragraphs) + "\n"


def _scope(bundle: Bundle) -> str:
    """Footage of ours has maps; what other data shows is for who knows it to say."""
    data = bundle.provenance["training_data"]
    if "maps" in data:
        seen = (
            "It has seen nothing but rendered footage of a game, with generated narrations. By words it finds what "
            "that footage shows and sounds like. It knows no everyday things by name: words about the real world give "
            "nearly random results."
        )
    else:
        seen = f"It was trained on {data['kind']}, and by words it finds what those show and tell of."
    return (
        f"{seen} By example (a still, a sound, a clip) it leads back to the very same moment of any film, and to "
        "similar looks and sounds."
    )


def _pictures(bundle: Bundle) -> list[str]:
    """The sheets that lie beside the encoders; older bundles have none."""
    if not (bundle.path / FAILURES).is_file():
        return []
    return [
        "## What it finds and what it does not",
        "The words that find worst, one query a concept, and the first five moments of the held-out clips: framed "
        "green where they have the concept, red where they have not.",
        f"![The worst text queries with their first results]({FAILURES})",
        "The words that find best:",
        f"![The best text queries with their first results]({FOUND})",
    ]


def _graph(bundle: Bundle) -> str:
    """FAC with ReLU between its spaces, the paper's own choice, is FAC as such."""
    return {"fac_relu": "FAC", "fac": "FAC (no ReLU)", "fac_bnrelu": "FAC (BN, ReLU)"}.get(bundle.graph, bundle.graph)


def _input(bundle: Bundle) -> str:
    spec = bundle.inputs
    return (
        f"Windows of {spec.window_s:g} s: {spec.frames} frames of {spec.frame_height} x {spec.frame_width}; "
        f"mono sound at {spec.sample_rate} Hz; up to {spec.words} words."
    )


def _recipe(bundle: Bundle) -> list[str]:
    provenance, deflation = bundle.provenance, bundle.metrics["deflation_cosine"]
    data, config = provenance["training_data"], provenance["config"]
    optim: dict[str, Any] = config["optim"]
    maps = f", maps {', '.join(data['maps'])}" if "maps" in data else ""
    weights = f"weights {optim['weight_audio']:g} and {optim['weight_text']:g}"
    cosines = f"naive {deflation['naive']:.3f}, trained {deflation['trained']:.3f} (repeated image: 1)"
    return [
        f"Data: {data['clips']} {data['kind']}{maps}; fingerprint {data['fingerprint']}.",
        f"Training: {provenance['steps']} steps of {optim['batch']} clips with Adam, learning rate "
        f"{optim['learning_rate']:g}, {optim['warmup_steps']} steps of warm-up, half-cosine decay. NCE between vision "
        f"and sound, {_text_loss(optim)} between vision and text, {weights}{_third(optim)}.{_again(optim)} Seed "
        f"{config['seed']}.",
        *_locked(config.get("locked") or {"steps": 0}),
        f"Deflation: {config['deflate']['steps']} steps{_led(config['deflate'])}. Mean cosine of an image's fine "
        f"embedding to that of its static clip: {cosines}.",
        f"Code: git revision {provenance['git_revision']}, torch {provenance['torch']}.",
    ]


def _locked(course: dict[str, Any]) -> list[str]:
    if not course["steps"]:
        return []
    return [
        f"Then, with the vision backbone locked: {course['steps']} steps of {course['batch']} clips, learning rate "
        f"{course['learning_rate']:g}, weight of sound and text {course['weight_sound_text']:g}; two stretches of up "
        f"to {course['mask_frames']} frames and of {course['mask_bands']} bands of each log-mel hidden, and a share of "
        f"{course['stray_words']:g} of the free places of texts filled with stray words."
    ]


def _text_loss(optim: dict[str, Any]) -> str:
    """Bundles of before there was a choice have MIL-NCE."""
    return {"mil_nce": "MIL-NCE", "nce": "NCE"}[optim.get("text_loss", "mil_nce")]


def _third(optim: dict[str, Any]) -> str:
    weight = optim.get("weight_sound_text", 0)
    return f", and, unlike the paper, between sound and text, weight {weight:g}" if weight else ""


def _again(optim: dict[str, Any]) -> str:
    restart = optim.get("restart") or {"after": 0}
    if not restart["after"]:
        return ""
    return (
        f" After {restart['after']} steps once more from the start of the schedule, learning rate "
        f"{restart['learning_rate']:g}, {restart['warmup_steps']} steps of warm-up, weight of sound and text "
        f"{restart['weight_sound_text']:g}."
    )


def _led(deflate: dict[str, Any]) -> str:
    weight = deflate.get("clip_weight", 0)
    return f", with NCE between a frame and its clip beside the paper's distance (weight {weight:g})" if weight else ""
