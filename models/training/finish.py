"""From a trained run to a bundle: deflation, export, held-out figures, card. Each step is a command of its own too."""

from pathlib import Path

from rich.console import Console

from models.bundle import Bundle, rewrite_metrics
from models.networks.mmv import parameter_count
from models.training.card import CARD, card
from models.training.data.cache import open_cache
from models.training.data.manifest import read_manifest
from models.training.deflate import Agreement, deflate, load_deflated, make_batches
from models.training.export import LICENCE, export_bundle
from models.training.finish_figures import ITEMS, evaluated
from models.training.run import load_run, provenance
from models.training.verify import TOLERANCE, compare


def deflate_run(run: Path, data: Path, console: Console) -> Agreement:
    """Deflate the run in a folder on frames of the clips in `data`. Raises TrainingError."""
    loaded = load_run(run)
    cache = open_cache(data, loaded.config.inputs, loaded.config.augment.margin)
    return deflate(loaded, cache, make_batches(loaded, cache), console)[1]


def export_run(run: Path, data: Path, out: Path) -> Bundle:
    """The bundle of a deflated run, trained on `data`, with no figures yet. Raises TrainingError and BundleError."""
    loaded = load_run(run)
    deflated, agreement = load_deflated(loaded)
    return export_bundle(
        loaded.network,
        deflated,
        loaded.table,
        loaded.config.inputs,
        out,
        name=loaded.config.name,
        licence=LICENCE,
        provenance=provenance(loaded, read_manifest(data / "manifest.jsonl")),
        metrics={"deflation_cosine": {"naive": agreement.naive, "trained": agreement.trained}},
    )


def evaluate_into(bundle: Bundle, data: Path, console: Console) -> Bundle:
    """Put the figures on held-out clips, and the pictures that the card shows, into a bundle."""
    found, draw = evaluated(bundle, data, ITEMS, True, console)
    bundle = rewrite_metrics(bundle, bundle.metrics | found)
    draw(bundle.path)
    return bundle


def write_card(bundle: Bundle, run: Path) -> None:
    """Write the page that describes the bundle of a run."""
    (bundle.path / CARD).write_text(card(bundle, parameter_count(load_run(run).network)))


def require_verified(bundle: Bundle) -> float:
    """Compare a bundle's encoders with PyTorch; the largest relative difference. Raises ValueError."""
    worst = max(compare(bundle), key=lambda difference: difference.relative)
    if not worst.ok:
        raise ValueError(
            f"{bundle.path}: {worst.modality} differs from PyTorch by {worst.relative:.1e}, more than {TOLERANCE:g}"
        )
    return worst.relative
