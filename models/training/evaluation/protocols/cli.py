"""The part of `mmv-search evaluate` that runs a published data set's protocol."""

import json
import os
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from models.bundle import load_bundle
from models.runtime import Encoders
from models.training.evaluation.protocols.context import Context, Options
from models.training.evaluation.protocols.registry import run_protocol
from models.training.progress import progress_bar


def default_cache() -> Path:
    """Where features are kept that nobody named a place for."""
    return Path.home() / ".cache" / "mmv-search" / "protocols"


def options_of(split: int | None, windows: int | None, svm_c: float | None, image_paths: list[str] | None) -> Options:
    """What was asked for; every image path, if none was. Raises ProtocolError."""
    asked = Options(split=split, windows=windows, svm_c=svm_c)
    return replace(asked, image_paths=tuple(dict.fromkeys(image_paths))) if image_paths else asked


def evaluate_protocol(
    bundle: Path, name: str, data: Path, out: Path | None, cache: Path | None, options: Options, console: Console
) -> None:
    """Run a protocol, print its page, write OUT.json and OUT.md. Raises ProtocolError, BundleError."""
    loaded = load_bundle(bundle)
    with progress_bar(console) as bar:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        workers = os.cpu_count() or 1
        context = Context(Encoders(loaded), data, cache or default_cache(), options, progress, workers)
        result = run_protocol(name, context)
    command = command_of(name, options)
    page = result.page(loaded.name, loaded.fingerprint, command)
    Console().print(page, markup=False, highlight=False, soft_wrap=True)
    for warning in result.warnings():
        console.print(f"[red]warning:[/red] {warning}", highlight=False, soft_wrap=True)
    if out:
        found = result.as_json(loaded.name, loaded.fingerprint, command)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(f"# {loaded.name}: {result.title}\n\n{page}", encoding="utf-8")


def command_of(name: str, options: Options) -> str:
    """The command without the paths of this machine."""
    said = {"--split": options.split, "--windows": options.windows, "--svm-c": options.svm_c}
    parts = [f"{flag} {value}" for flag, value in said.items() if value is not None]
    if options.image_paths != Options().image_paths:
        parts += [f"--image-path {path}" for path in options.image_paths]
    return " ".join([f"mmv-search evaluate BUNDLE --protocol {name} --data DIR", *parts])
