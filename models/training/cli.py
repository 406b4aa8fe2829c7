"""Training commands of `mmv-search`. Torch is imported only inside the commands that need it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.command_errors import clear_errors, console, fail

ITEMS = 300
AGAIN = "run the same command again to go on"


def register(app: typer.Typer, bundle_app: typer.Typer) -> None:
    """Add the training commands to the command line."""
    from models.pretrained.cli import import_bundle
    from models.training.ablation_cli import ablate
    from models.training.data.footage.cli import footage
    from models.training.report_cli import report
    from models.training.shards_cli import shards
    from models.training.variants_cli import quantize

    app.command()(footage)
    app.command()(train)
    app.command()(lock)
    app.command()(deflate)
    app.command()(export)
    app.command()(evaluate)
    app.command()(ablate)
    app.command()(report)
    app.add_typer(shards, name="shards")
    bundle_app.command("verify")(verify)
    bundle_app.command("quantize")(quantize)
    bundle_app.command("import")(import_bundle)


def train(
    context: typer.Context,
    config: Annotated[
        Path, typer.Argument(help="A training configuration, such as models/training/configs/freedoom-fac-small.yaml.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the run: checkpoints, log, word table.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder of films with their subtitles; or with a manifest.jsonl, as `mmv-search footage` makes it; "
            "WebDataset shards; HowTo100M's captions or AudioSet's lists beside videos. Else: data.sources of CONFIG."
        ),
    ] = None,
    validation: Annotated[Path | None, typer.Option(help="Held-out folder to evaluate on during training.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share every batch and the cores; torchrun can start them too.")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is one for each process.")] = "auto",
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="All the way: footage (or --data), train, deflate, export, evaluate, bundle; goes on."
        ),
    ] = False,
    clips: Annotated[int, typer.Option(min=1, help="--rebuild: clips to film for training.")] = 11_500,
    held_out_clips: Annotated[int, typer.Option(min=0, help="--rebuild: clips to film for the figures.")] = 1000,
    validation_clips: Annotated[int, typer.Option(min=0, help="--rebuild: clips to film to watch training by.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="--rebuild: seed of the footage.")] = 1,
    held_out: Annotated[
        Path | None, typer.Option(help="--rebuild with --data: held-out folder for the figures.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="--rebuild: make the bundle a library's own.")] = False,
    home: Annotated[Path | None, typer.Option(help="--promote: the library's folder.", metavar="DIR")] = None,
) -> None:
    """Train an MMV network without labels; with --rebuild, from nothing to a bundle."""
    if rebuild:
        from models.training import rebuild_cli

        with clear_errors():
            _require_manifest(data, validation, held_out)
            asked = rebuild_cli.promotion(promote, context.obj, home)
        rebuild_cli.rebuild(
            config,
            out,
            console,
            clips=clips,
            held_out_clips=held_out_clips,
            validation_clips=validation_clips,
            seed=seed,
            data=data,
            validation=validation,
            held_out=held_out,
            processes=processes,
            device=device,
            promotion=asked,
        )
        return
    with clear_errors():
        from models.training.config import load_config
        from models.training.trainer import train_in_processes

        loaded = load_config(config)
        if data is None and not loaded.data.sources:
            raise ValueError("give the clips with --data DIR, or --rebuild to make everything from nothing")
        _require_data(data, validation)
        train_in_processes(
            processes, loaded, data, out, validation=validation, resume=resume, console=console, device=device
        )
        where = f" --data {data}" if data else ""
        following = "lock" if loaded.locked.steps else "deflate"
        console.print(f"trained: {out}. Next: mmv-search {following} {out}{where}")


def lock(
    run: Annotated[Path, typer.Argument(help="The folder of a finished training run.")],
    data: Annotated[
        Path | None, typer.Option(help="The data it was trained on. Else: data.sources of its configuration.")
    ] = None,
) -> None:
    """Train sound, text and the heads of a run further with its vision backbone locked: locked.steps of its config."""
    with clear_errors(AGAIN):
        from models.training.finish import lock_run

        _require_data(data)
        lock_run(run, data, console)
        where = f" --data {data}" if data else ""
        console.print(f"the locked course is done: {run}. Next: mmv-search deflate {run}{where}")


def deflate(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    data: Annotated[
        Path | None,
        typer.Option(help="The data it was trained on, of which single frames are used. Else: its data.sources."),
    ] = None,
) -> None:
    """Make the image network: train the deflated network's batch-norm scales and offsets on unlabelled frames."""
    with clear_errors(AGAIN):
        from models.training.finish import deflate_run

        _require_data(data)
        found = deflate_run(run, data, console)
        console.print(
            f"cosine to the static clip: naive {found.naive:.3f}, trained {found.trained:.3f}, inflated input 1"
        )


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a deflated training run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; an existing one is replaced.")],
    data: Annotated[
        Path | None, typer.Option(help="The data it was trained on, which is recorded. Else: its data.sources.")
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(help="Held-out clips to evaluate on; the figures go into the bundle.")
    ] = None,
) -> None:
    """Export a trained and deflated network to a bundle of ONNX encoders, checked against PyTorch, with its card."""
    with clear_errors(AGAIN):
        from models.training.finish import evaluate_into, export_run, write_card

        _require_data(data)
        _require_manifest(held_out)
        bundle = export_run(run, data, out)
        if held_out:
            bundle = evaluate_into(bundle, held_out, console)
        write_card(bundle, run)
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
    with clear_errors(AGAIN):
        if protocol != "footage":
            from models.training.evaluation.protocols.cli import evaluate_protocol, options_of

            options = options_of(split, windows, svm_c, image_path)
            evaluate_protocol(bundle, protocol, data, out, cache, options, console)
            return
        from models.bundle import load_bundle
        from models.training.evaluation.footage_report import report
        from models.training.finish_figures import evaluated

        _require_manifest(data)
        loaded = load_bundle(bundle)
        metrics, _ = evaluated(loaded, data, items, deflation, console)
        option = " --deflation" if deflation else ""
        page = report(metrics, f"mmv-search evaluate BUNDLE --data DATA --items {items}{option}")
        Console().print(page, markup=False, highlight=False, soft_wrap=True)
        if out:
            out.with_suffix(".json").write_text(json.dumps(metrics, indent=1) + "\n")
            out.with_suffix(".md").write_text(f"# {loaded.name}: retrieval on held-out footage\n\n{page}")


def _require_data(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.is_file() and not any(path.glob("*")):
            raise FileNotFoundError(f"{path} has no videos; make clips with: mmv-search footage --out {path}")


def _require_manifest(*folders: Path | None) -> None:
    for folder in folders:
        if folder is not None and not (folder / "manifest.jsonl").is_file():
            raise FileNotFoundError(
                f"{folder} has no manifest.jsonl; make clips with: mmv-search footage --out {folder}"
            )
