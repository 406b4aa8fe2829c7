"""Training commands of `mmv-search`. Torch is imported only inside the commands that need it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from models.command_errors import clear_errors, console, fail

if TYPE_CHECKING:
    from models.bundle import Bundle

ITEMS = 300


def register(app: typer.Typer, bundle_app: typer.Typer) -> None:
    """Add the training commands to the command line."""
    from models.pretrained.cli import import_bundle
    from models.training.ablation_cli import ablate
    from models.training.data.footage.cli import footage
    from models.training.report_cli import report
    from models.training.variants_cli import quantize

    app.command()(footage)
    app.command()(train)
    app.command()(deflate)
    app.command()(export)
    app.command()(evaluate)
    app.command()(ablate)
    app.command()(report)
    bundle_app.command("verify")(verify)
    bundle_app.command("quantize")(quantize)
    bundle_app.command("import")(import_bundle)


def train(
    config: Annotated[
        Path, typer.Argument(help="A training configuration, such as models/training/configs/freedoom-fac-small.yaml.")
    ],
    data: Annotated[Path, typer.Option(help="Folder with manifest.jsonl and clips, as `mmv-search footage` makes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the run: checkpoints, log, word table.")],
    validation: Annotated[Path | None, typer.Option(help="Held-out folder to evaluate on during training.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share every batch and the cores; torchrun can start them too.")
    ] = 1,
) -> None:
    """Train an MMV network without labels."""
    with clear_errors():
        from models.training.config import load_config
        from models.training.trainer import train_in_processes

        loaded = load_config(config)
        _require_manifest(data, validation)
        train_in_processes(processes, loaded, data, out, validation=validation, resume=resume, console=console)
        console.print(f"trained: {out}. Next: mmv-search deflate {out} --data {data}")


def deflate(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.jsonl; only single frames of its clips are used.")],
) -> None:
    """Make the image network: train the deflated network's batch-norm scales and offsets on unlabelled frames."""
    with clear_errors():
        from models.training.data.cache import open_cache
        from models.training.deflate import deflate as run_deflation
        from models.training.deflate import make_batches
        from models.training.run import load_run

        _require_manifest(data)
        loaded = load_run(run)
        cache = open_cache(data, loaded.config.inputs, loaded.config.augment.margin)
        _, found = run_deflation(loaded, cache, make_batches(loaded, cache), console)
        console.print(
            f"cosine to the static clip: naive {found.naive:.3f}, trained {found.trained:.3f}, inflated input 1"
        )


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a deflated training run.")],
    data: Annotated[Path, typer.Option(help="The folder it was trained on: its manifest.jsonl is recorded.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; an existing one is replaced.")],
    held_out: Annotated[
        Path | None, typer.Option(help="Held-out clips to evaluate on; the figures go into the bundle.")
    ] = None,
) -> None:
    """Export a trained and deflated network to a bundle of ONNX encoders, checked against PyTorch, with its card."""
    with clear_errors():
        from models.bundle import rewrite_metrics
        from models.networks.mmv import parameter_count
        from models.training.card import CARD, card
        from models.training.data.manifest import read_manifest
        from models.training.deflate import load_deflated
        from models.training.export import LICENCE, export_bundle
        from models.training.run import load_run, provenance

        _require_manifest(data, held_out)
        loaded = load_run(run)
        deflated, agreement = load_deflated(loaded)
        metrics = {"deflation_cosine": {"naive": agreement.naive, "trained": agreement.trained}}
        bundle = export_bundle(
            loaded.network,
            deflated,
            loaded.table,
            loaded.config.inputs,
            out,
            name=loaded.config.name,
            licence=LICENCE,
            provenance=provenance(loaded, read_manifest(data / "manifest.jsonl")),
            metrics=metrics,
        )
        if held_out:
            found, draw = _evaluated(bundle, held_out, ITEMS, deflation=True)
            bundle = rewrite_metrics(bundle, metrics | found)
            draw(out)
        (out / CARD).write_text(card(bundle, parameter_count(loaded.network)))
        verify(bundle.path)


def verify(path: Annotated[Path, typer.Argument(help="The bundle's folder.")]) -> None:
    """Check a bundle: its files' checksums, and its ONNX encoders against PyTorch on random inputs."""
    with clear_errors():
        from models.bundle import load_bundle

        bundle = load_bundle(path)
        console.print(f"{bundle.name}: every file has the checksum that bundle.json records")
        from models.training.verify import TOLERANCE, compare  # needs torch

        differences = list(compare(bundle))
        for modality in bundle.modalities:
            mine = [d for d in differences if d.modality == modality]
            worst = max(mine, key=lambda d: d.relative)
            console.print(
                f"{modality}: {len(mine)} comparisons with PyTorch, largest relative difference "
                f"{worst.relative:.1e} "
                f"({worst.output}, batch {worst.batch}, length {worst.length})",
                soft_wrap=True,
            )
        bad = [d for d in differences if not d.ok]
        if bad:
            raise typer.Exit(fail(f"{len(bad)} of {len(differences)} comparisons differ by more than {TOLERANCE:g}"))
        console.print(f"{bundle.name}: equal to PyTorch within {TOLERANCE:g}")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Held-out folder with manifest.jsonl, as `mmv-search footage` makes it; or, with --protocol, a data "
            "set in its published layout (docs/protocols.md)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write metrics to OUT.json and a readable page to OUT.md.")] = None,
    items: Annotated[int, typer.Option(help="How many clips are ranked against each other in item retrieval.")] = ITEMS,
    deflation: Annotated[
        bool, typer.Option("--deflation", help="Also naive deflation and input inflation of stills; needs torch.")
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(
            help="footage, or a published data set: ucf101, hmdb51, kinetics600, esc50, audioset, msrvtt, youcook2, "
            "voc07, imagenet."
        ),
    ] = "footage",
    split: Annotated[int | None, typer.Option(help="Protocols: one split or fold instead of all, from 1.")] = None,
    windows: Annotated[
        int | None, typer.Option(help="Protocols: windows of each file, instead of the paper's.")
    ] = None,
    svm_c: Annotated[float | None, typer.Option(help="Protocols: the SVM's C, instead of the paper's.")] = None,
    image_path: Annotated[
        list[str] | None, typer.Option(help="Image protocols: deflated, naive or inflated; may be repeated.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Protocols: where features are kept, to go on from. [~/.cache/mmv-search/protocols]"),
    ] = None,
) -> None:
    """Held-out retrieval of a bundle in every direction, or a published data set's protocol; with 95% intervals."""
    with clear_errors("run the same command again to go on"):
        if protocol != "footage":
            from models.training.evaluation.protocols.cli import evaluate_protocol, options_of

            options = options_of(split, windows, svm_c, image_path)
            evaluate_protocol(bundle, protocol, data, out, cache, options, console)
            return
        from models.bundle import load_bundle
        from models.training.evaluation.footage_report import report

        _require_manifest(data)
        loaded = load_bundle(bundle)
        metrics, _ = _evaluated(loaded, data, items, deflation)
        option = " --deflation" if deflation else ""
        page = report(metrics, f"mmv-search evaluate BUNDLE --data DATA --items {items}{option}")
        Console().print(page, markup=False, highlight=False, soft_wrap=True)
        if out:
            out.with_suffix(".json").write_text(json.dumps(metrics, indent=1) + "\n")
            out.with_suffix(".md").write_text(f"# {loaded.name}: retrieval on held-out footage\n\n{page}")


def _evaluated(
    bundle: "Bundle", data: Path, items: int, deflation: bool
) -> tuple[dict[str, Any], Callable[[Path], None]]:
    """The metrics; and what draws the pictures of its best and worst queries into a folder."""
    from models.runtime import Encoders
    from models.training.evaluation.footage_clips import embed_clips
    from models.training.evaluation.footage_pictures import write_pictures
    from models.training.evaluation.footage_retrieval import evaluate as run_evaluation
    from models.training.progress import progress_bar

    encoders = Encoders(bundle)
    with progress_bar(console) as bar:
        task = bar.add_task("embedding clips")
        found = embed_clips(encoders, data, lambda n, of: bar.update(task, completed=n, total=of))
    metrics = run_evaluation(encoders, data, items, found=found)
    if deflation:
        from models.training.evaluation.footage_deflation import deflation as three_paths

        metrics["deflation"] = three_paths(encoders, found, items)
    return metrics, lambda folder: write_pictures(encoders, found, data, folder)


def _require_manifest(*folders: Path | None) -> None:
    for folder in folders:
        if folder is not None and not (folder / "manifest.jsonl").is_file():
            raise FileNotFoundError(
                f"{folder} has no manifest.jsonl; make clips with: mmv-search footage --out {folder}"
            )
