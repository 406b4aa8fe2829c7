"""`mmv-search bundle import`: DeepMind's published weights as a bundle that the service runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import clear_errors, console


class Arch(StrEnum):
    """The published networks (the keys of `published.ARCHS`, which needs torch)."""

    S3D = "s3d"
    TSM_RESNET50 = "tsm-resnet50"
    TSM_RESNET50X2 = "tsm-resnet50x2"


def import_bundle(
    arch: Annotated[Arch, typer.Option(help="Which of the published networks the checkpoint is.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; an earlier bundle there is replaced.")],
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="The published file, such as mmv_tsm_resnet_x1.pkl; with --download, where to put it."),
    ] = None,
    vocab: Annotated[
        Path | None,
        typer.Option(help="The words of the checkpoint's word vectors, one a line. Without it: no search by words."),
    ] = None,
    deflate_frames: Annotated[
        Path | None,
        typer.Option(help="A folder of any pictures or films: the image network is trained on them, without labels."),
    ] = None,
    deflate_steps: Annotated[int, typer.Option(min=1, help="Steps of that training.")] = 300,
    audio_norm: Annotated[
        Path | None,
        typer.Option(help="A folder of films with sound: scale sound's embeddings to vision's length (not published)."),
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=512, help="Side of the square frames, in pixels.")] = 200,
    download: Annotated[bool, typer.Option("--download", help="Fetch the published file first.")] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the weights' licence, CC BY-NC 4.0, without being asked.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(envvar="MMV_WEIGHTS_URL", help="Where to fetch from, instead of DeepMind's bucket.")
    ] = None,
) -> None:
    """Make a bundle of a checkpoint published by DeepMind: checked, converted to ONNX, compared with PyTorch."""
    with clear_errors("run the same command to go on"):
        if size % 2:
            raise ValueError(f"--size {size}: it must be even")
        from models.pretrained.importer import ImportOptions, import_checkpoint

        path = _fetched(arch, checkpoint, accept_licence, url) if download else checkpoint
        if path is None:
            raise ValueError("name the checkpoint's file, or pass --download to fetch it")
        options = ImportOptions(vocab, deflate_frames, deflate_steps, audio_norm, size)
        bundle = import_checkpoint(path, arch.value, out, options, console)
        deflation = bundle.metrics["deflation"]
        difference = f"ONNX differs from PyTorch by {bundle.metrics['onnx_difference']:.0e} at most"
        console.print(f"{out}: {', '.join(bundle.modalities)}; {difference}", highlight=False, soft_wrap=True)
        if deflation["kind"] == "trained":
            cosine = deflation["cosine"]
            console.print(f"deflation: cosine to the static clip {cosine['naive']:.3f} -> {cosine['trained']:.3f}")
        else:
            console.print("deflation: naive; better image queries with --deflate-frames", highlight=False)
        if "text" not in bundle.modalities:
            console.print("no words: pass --vocab for search by text", highlight=False)
        console.print(f"use it: mmv-search bundle promote {out}", highlight=False, soft_wrap=True)


def _fetched(arch: Arch, destination: Path | None, accepted: bool, url: str | None) -> Path:
    """The published file, downloaded once its licence is accepted."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from models.pretrained.download import download
    from models.pretrained.licence import confirm_licence
    from models.pretrained.published import ARCHS

    published = ARCHS[arch.value]
    path = destination or Path(published.file)
    confirm_licence(accepted, console)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(path.name)
        download(url or published.url, path, lambda done, total: bar.update(task, completed=done, total=total))
    return path
