"""A training run from its data to its report, in one process or as one of several replicas."""

from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV
from models.networks.s3d import S3D
from models.preprocess.text import Tokenizer
from models.training.checkpoints import clear_disk_errors, restore_checkpoint, save_checkpoint
from models.training.config import TrainConfig
from models.training.data.batches import Batches
from models.training.data.cache import ClipCache, open_cache
from models.training.data.open_data import DECODED, Data, open_data
from models.training.data.sample import Source
from models.training.data.word_vectors import WordTable, build_word_table
from models.training.held_out import middle_window, quick_evaluation
from models.training.loop import train_steps
from models.training.progress import progress_bar
from models.training.replicas import Replica, first_alone, joined, start
from models.training.report import write_report
from models.training.run import CHECKPOINT, Run, TrainingError, write_config
from models.training.sync_batch_norm import synchronise_batch_norms

MEASURED_AT_ONCE = 64  # clips, of those that the scale of sound is measured on


def train(
    config: TrainConfig,
    data: Data,
    folder: Path,
    *,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
    device: str = "auto",
) -> Run:
    """Train on `data`, or the configuration's sources, into `folder`; with `resume`, go on from its last checkpoint.

    Where processes were started to train together (`replicas.joined`), each takes its share of every batch. `device` is
    cpu, cuda or auto, which is cuda where there is one for each process. What ends a training early, and what is left
    then, `loop.train_steps` says. Raises TrainingError also when the folder has another run.
    """
    with joined(device) as replica:
        return _train(config, data, folder, validation, resume, console if replica.first else _SILENT, replica)


_SILENT = Console(quiet=True)


def train_in_processes(
    processes: int,
    config: TrainConfig,
    data: Data,
    folder: Path,
    *,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
    device: str = "auto",
) -> None:
    """`train`, in so many new processes that share every batch; in this one if it is one."""
    if processes == 1:
        train(config, data, folder, validation=validation, resume=resume, console=console, device=device)
    else:
        start(processes, _train_replica, config, data, folder, validation, resume, console.quiet, device)


def _train_replica(
    config: TrainConfig,
    data: Data,
    folder: Path,
    validation: Path | Source | None,
    resume: bool,
    quiet: bool,
    device: str,
) -> None:
    console = Console(stderr=True, quiet=quiet)
    train(config, data, folder, validation=validation, resume=resume, console=console, device=device)


def _train(
    config: TrainConfig,
    data: Data,
    folder: Path,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
    replica: Replica,
) -> Run:
    if config.optim.batch % (replica.world * config.optim.accumulate):
        in_parts = f" in accumulate {config.optim.accumulate} parts" if config.optim.accumulate > 1 else ""
        raise TrainingError(f"optim.batch {config.optim.batch} cannot be shared by {replica.world} processes{in_parts}")
    torch.set_num_threads(replica.cores or config.optim.threads)
    torch.manual_seed(config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    begun = (folder / CHECKPOINT).exists()
    if begun and not resume:
        raise TrainingError(f"{folder} already holds a run; pass --resume to go on with it, or choose another --out")
    with first_alone(replica), clear_disk_errors(folder, "the decoded clips"):
        table = word_table(folder, config, console)
        with progress_bar(console) as bar:
            task = bar.add_task("decoding clips")
            keep = folder / DECODED
            training = open_data(
                config,
                data,
                keep,
                progress=lambda n, of: bar.update(task, completed=n, total=of),
                report=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
            )
            judge = validation or training.held_out
            held_out = open_cache(judge, config.inputs, config.augment.margin, keep=keep) if judge else None
    network = new_network(config, table).to(replica.device)
    if replica.world > 1:
        synchronise_batch_norms(network)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=config.optim.learning_rate)
    tokenizer = Tokenizer(table.words, config.inputs.words, config.inputs.hyphens)
    share = (config.optim.batch, config.seed, replica.rank, replica.world)
    batches = Batches(training.parts, config.inputs, tokenizer, config.augment, *share)
    run = Run(folder, config, table, network, batches.fingerprint, 0)
    for line in restore_checkpoint(run, optimiser) if begun else []:
        console.print(line, soft_wrap=True)
    evaluation = partial(quick_evaluation, run, held_out, tokenizer) if held_out else None
    try:
        if replica.first:
            write_config(run)
        train_steps(run, batches, optimiser, evaluation, replica, console)
    finally:
        training.close()
    if replica.first:
        _finish(run, optimiser, training.cache, held_out, console)
    network.to("cpu")
    return run


def _finish(
    run: Run, optimiser: torch.optim.Optimizer, cache: ClipCache, held_out: ClipCache | None, console: Console
) -> None:
    """What follows the last step: the scale of sound's embedding, and the report."""
    if isinstance(run.network.graph, FACGraph):
        run.network.graph.audio_scale.fill_(measure_audio_scale(run.network, cache, run.config))
        save_checkpoint(run, optimiser)
    try:
        console.print(f"report: {write_report(run, held_out)}", soft_wrap=True)
    except OSError as error:  # the run is whole without it
        console.print(f"no report: {error}; later: mmv-search report {run.folder}", soft_wrap=True)


def new_network(config: TrainConfig, table: WordTable) -> MMV:
    """A network of random weights, channels last."""
    return channels_last(MMV(config.network, torch.from_numpy(table.vectors())))


def channels_last(network: MMV) -> MMV:
    """The network with its backbones in the layout that is fastest to train."""
    for part in (network.video, network.audio):
        volumes = isinstance(part, S3D)  # of 5 dimensions, which the format for 4 refuses
        part.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)  # type: ignore[call-overload]
    return network


def word_table(folder: Path, config: TrainConfig, console: Console) -> WordTable:
    """The run's word table, built on first use."""
    path = folder / "words.npz"
    if not path.exists():
        from models.training.data.footage.narrate import all_words

        console.print("making the word table")
        table = build_word_table(config.words, sorted(all_words()))
        table.save(folder / "words.tmp.npz")
        (folder / "words.tmp.npz").rename(path)
    return WordTable.load(path)


@torch.no_grad()
def measure_audio_scale(network: MMV, cache: ClipCache, config: TrainConfig, clips: int = 512) -> float:
    """Mean norm of vision's fine embedding over that of sound's: the shared head expects vision's.

    Of the first `clips`; where none of those has sound, of the first that have. Without any the scale stays as it is.
    """
    network.eval()
    graph = network.graph
    assert isinstance(graph, FACGraph)  # no other graph leads sound through a head made for vision
    if not torch.isfinite(graph.audio_scale):  # a version before this one measured no sound at all as NaN
        graph.audio_scale.fill_(1.0)
    scale = graph.audio_scale
    with_sound = [i for i, clip in enumerate(cache.clips) if clip.has_audio]
    if not with_sound:
        return float(scale)
    rows = list(range(len(cache.clips)))[:clips] if with_sound[0] < clips else with_sound[:clips]
    seen, heard = [], []
    for i in range(0, len(rows), MEASURED_AT_ONCE):
        batch = rows[i : i + MEASURED_AT_ONCE]
        frames, sound = (part.to(scale.device) for part in middle_window(cache, batch, config))
        seen.append(network.encode_video(frames)["fine"])
        heard.append(network.encode_audio(network.log_mel(sound))["fine"])
    has_sound = torch.tensor([cache.clips[row].has_audio for row in rows])
    video, audio = torch.cat(seen), torch.cat(heard)[has_sound]
    return float(video.norm(dim=1).mean() / audio.norm(dim=1).mean() * scale)
