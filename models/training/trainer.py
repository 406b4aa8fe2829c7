"""The training loop: one process or several replicas, checkpoints that resume, an observer told of every step."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV
from models.networks.s3d import S3D
from models.preprocess.text import Tokenizer
from models.training.config import TrainConfig
from models.training.data.batches import Batch, Batches
from models.training.data.cache import ClipCache, open_cache
from models.training.data.open_data import Data, open_data
from models.training.data.sample import Source
from models.training.data.word_vectors import WordTable, build_word_table
from models.training.held_out import embed_cache, quick_evaluation
from models.training.losses import mil_nce, nce
from models.training.observer import observe
from models.training.progress import progress_bar
from models.training.replicas import Replica, average, first_alone, joined, start
from models.training.report import write_report
from models.training.run import CHECKPOINT, Run, TrainingError, restore_checkpoint, save_checkpoint, write_config
from models.training.sync_batch_norm import synchronise_batch_norms


def train(
    config: TrainConfig,
    data: Data,
    folder: Path,
    *,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
) -> Run:
    """Train on `data`, or the configuration's sources, into `folder`; with `resume`, go on from its last checkpoint.

    Where processes were started to train together (`replicas.joined`), each takes its share of every batch.
    Interrupting leaves a checkpoint. Raises TrainingError on a non-finite loss, or when the folder has another run.
    """
    with joined() as replica:
        return _train(config, data, folder, validation, resume, console, replica)


def train_in_processes(
    processes: int,
    config: TrainConfig,
    data: Data,
    folder: Path,
    *,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
) -> None:
    """`train`, in so many new processes that share every batch; in this one if it is one."""
    if processes == 1:
        train(config, data, folder, validation=validation, resume=resume, console=console)
    else:
        start(processes, _train_replica, config, data, folder, validation, resume)


def _train_replica(
    config: TrainConfig, data: Data, folder: Path, validation: Path | Source | None, resume: bool
) -> None:
    train(config, data, folder, validation=validation, resume=resume, console=Console(stderr=True))


def _train(
    config: TrainConfig,
    data: Data,
    folder: Path,
    validation: Path | Source | None,
    resume: bool,
    console: Console,
    replica: Replica,
) -> Run:
    if config.optim.batch % replica.world:
        raise TrainingError(f"optim.batch {config.optim.batch} cannot be shared by {replica.world} processes")
    if not replica.first:
        console = Console(quiet=True)
    torch.set_num_threads(replica.cores or config.optim.threads)
    torch.manual_seed(config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{folder} already holds a run; pass --resume to go on with it, or choose another --out")
    with first_alone(replica):
        table = word_table(folder, config, console)
        with progress_bar(console) as bar:
            task = bar.add_task("decoding clips")
            keep = folder / "decoded"
            training = open_data(
                config,
                data,
                keep,
                progress=lambda n, of: bar.update(task, completed=n, total=of),
                report=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
            )
            held_out = open_cache(validation, config.inputs, config.augment.margin, keep=keep) if validation else None
    network = MMV(config.network, torch.from_numpy(table.vectors()))
    for part in (network.video, network.audio):
        volumes = isinstance(part, S3D)  # of 5 dimensions, which the format for 4 refuses
        part.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)  # type: ignore[call-overload]
    if replica.world > 1:
        synchronise_batch_norms(network)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=config.optim.learning_rate)
    tokenizer = Tokenizer(table.words, config.inputs.words, config.inputs.hyphens)
    batches = Batches(
        training.parts,
        config.inputs,
        tokenizer,
        config.augment,
        config.optim.batch,
        config.seed,
        replica.rank,
        replica.world,
    )
    known = batches.fingerprint
    step = restore_checkpoint(checkpoint, network, optimiser, config, known) if checkpoint.exists() else 0
    run = Run(folder, config, table, network, known, step)
    try:
        _loop(run, batches, optimiser, held_out, tokenizer, console, replica)
    finally:
        training.close()
        if replica.first:
            save_checkpoint(run, optimiser)
    if not replica.first:
        return run
    if isinstance(network.graph, FACGraph):
        network.graph.audio_scale.fill_(measure_audio_scale(network, training.cache, config))
    save_checkpoint(run, optimiser)
    try:
        console.print(f"report: {write_report(run, held_out)}", soft_wrap=True)
    except OSError as error:  # the run is whole without it
        console.print(f"no report: {error}; later: mmv-search report {folder}", soft_wrap=True)
    return run


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half-cosine decay to zero."""
    o = config.optim
    if step < o.warmup_steps:
        return o.learning_rate * (step + 1) / o.warmup_steps
    done = (step - o.warmup_steps) / max(1, o.steps - o.warmup_steps)
    return o.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def losses(network: MMV, batch: Batch, config: TrainConfig) -> dict[str, Tensor]:
    """The loss and its parts. Text goes through the network once per candidate; sound never enters the coarse space."""
    optim = config.optim
    with torch.autocast("cpu", torch.bfloat16, enabled=optim.bf16):
        video = network.encode_video(batch.frames)
        parts = dict.fromkeys(("audio", "text"), torch.zeros(()))  # of a weight of 0
        if optim.weight_audio:
            with torch.autocast("cpu", enabled=False), torch.no_grad():
                log_mel = network.log_mel(batch.sound)
            audio_fine = network.graph.audio_fine(network.audio(log_mel))
    if optim.weight_audio:
        parts["audio"] = nce(_precise(video["fine"]), _precise(audio_fine), batch.has_sound)
    if optim.weight_text:
        # Candidates come by their distance in time.
        ids, has_text = (x[:, :1] if optim.text_loss == "nce" else x for x in (batch.ids, batch.has_text))
        b, k, n = ids.shape
        text = network.encode_text(ids.reshape(b * k, n))["coarse"].reshape(b, k, -1)
        parts["text"] = mil_nce(_precise(video["coarse"]), text, has_text)
    return {"loss": optim.weight_audio * parts["audio"] + optim.weight_text * parts["text"], **parts}


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
    """Mean norm of vision's fine embedding over that of sound's: the shared head expects vision's."""
    network.eval()
    video, audio, _ = embed_cache(network, cache, config, clips)
    heard = torch.tensor([c.has_audio for c in cache.clips[: len(audio["fine"])]])
    assert isinstance(network.graph, FACGraph)  # no other graph leads sound through a head made for vision
    scale = network.graph.audio_scale
    return float(video["fine"].norm(dim=1).mean() / audio["fine"][heard].norm(dim=1).mean() * scale)


def _loop(
    run: Run,
    batches: Batches,
    optimiser: torch.optim.Adam,
    held_out: ClipCache | None,
    tokenizer: Tokenizer,
    console: Console,
    replica: Replica,
) -> None:
    config, network = run.config, run.network
    if replica.first:
        write_config(run)
    parameters = [p for p in network.parameters() if p.requires_grad]
    with observe(run, batches.clips, console) if replica.first else nullcontext() as observer:
        for batch in _prefetch(batches, run.step, config.optim.steps):
            network.train()
            rate = learning_rate(run.step, config)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            parts = losses(network, batch, config)
            parts["loss"].backward()
            if replica.world > 1:
                parts = dict(
                    zip(parts, average(network, torch.stack([v.detach() for v in parts.values()])), strict=True)
                )
            if not torch.isfinite(parts["loss"]):
                raise TrainingError(
                    f"the loss is {parts['loss'].item()} at step {run.step}; "
                    f"the weights before it are in {run.folder / CHECKPOINT}. "
                    "Lower optim.learning_rate and start again."
                )
            norm = torch.nn.utils.clip_grad_norm_(parameters, config.optim.gradient_clip)
            optimiser.step()
            run.step += 1
            if observer is None:
                continue
            observer.step(parts, rate, norm)
            if held_out and (run.step % config.evaluate_every == 0 or run.step == config.optim.steps):
                observer.evaluated(quick_evaluation(run, held_out, tokenizer))
            if run.step % config.checkpoint_every == 0:
                save_checkpoint(run, optimiser)


def _precise(x: Tensor) -> Tensor:
    """What autocast made bfloat16 as float32, in which losses are computed."""
    return x.float() if x.dtype == torch.bfloat16 else x


def _prefetch(batches: Batches, first: int, last: int) -> Iterator[Batch]:
    """Batches first..last-1, the next one made while the current one is used."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(batches, first)
        for step in range(first, last):
            batch = upcoming.result()
            if step + 1 < last:
                upcoming = pool.submit(batches, step + 1)
            yield batch
