"""From a trained run to a bundle: deflation, export, held-out figures, card. Each step is a command of its own too."""

from pathlib import Path

from rich.console import Console

from models.bundle import Bundle, rewrite_metrics
from models.networks.mmv import parameter_count
from models.training.card import CARD, card
from models.training.data.batches import fingerprint_of_data
from models.training.data.manifest import Clip, ManifestError, read_manifest
from models.training.data.open_data import DECODED, Data, TrainingData, merged, open_data, open_sources
from models.training.data.sample import Source
from models.training.deflate import Agreement, deflate, load_deflated, make_batches
from models.training.export import LICENCE, export_bundle
from models.training.finish_figures import ITEMS, evaluated
from models.training.locked import lock_vision
from models.training.run import Run, TrainingError, load_run, provenance, read_locked
from models.training.run_log import record_session
from models.training.verify import TOLERANCE, compare


def lock_run(run: Path, data: Data, console: Console) -> None:
    """Train the run in a folder further with its vision backbone locked. Raises TrainingError and DataError."""
    loaded = load_run(run, locked=False)
    training = open_data(loaded.config, data, run / DECODED)
    try:
        _require_same_data(loaded, training)
        lock_vision(loaded, training, console)
    finally:
        training.close()


def deflate_run(run: Path, data: Data, console: Console) -> Agreement:
    """Deflate the run in a folder on frames of what it was trained on. Raises TrainingError and DataError."""
    loaded = load_run(run)
    if loaded.config.locked.steps and read_locked(run, loaded.step) is None:
        raise TrainingError(f"{run} has a locked course to come first; run: mmv-search lock {run} --data DATA")
    training = open_data(loaded.config, data, run / DECODED)
    try:
        _require_same_data(loaded, training)
        record_session(loaded, len(training.cache.clips), "deflation")
        return deflate(loaded, training.cache, make_batches(loaded, training.parts), console)[1]
    finally:
        training.close()


def _require_same_data(run: Run, training: TrainingData) -> None:
    if fingerprint_of_data(training.parts) != run.data_fingerprint:
        raise TrainingError(f"{run.folder} was trained on other clips than these; give --data what it was trained on")


def export_run(run: Path, data: Data, out: Path) -> Bundle:
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
        provenance=provenance(loaded, _recorded(loaded, data)),
        metrics={"deflation_cosine": {"naive": agreement.naive, "trained": agreement.trained}},
    )


def _recorded(run: Run, data: Data) -> list[Clip] | Source:
    """The data a run was trained on: the clips of footage, whose games and maps are told, or sources of any kind."""
    whole = not run.config.data.hold_out
    if whole and isinstance(data, Path) and (data / "manifest.jsonl").is_file():
        try:
            return read_manifest(data / "manifest.jsonl")
        except ManifestError:  # not footage: a plain manifest
            pass
    return merged(open_sources(run.config, data)[0])


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
