"""Two processes that train one network together, against one process with the joined batch."""

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor, nn

from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.tests import tiny
from models.tests.tiny_clips import write_set
from models.training.cached_gradients import add_gradients
from models.training.data.batches import Batches
from models.training.data.cache import open_cache
from models.training.replicas import Replica, _device, average, joined
from models.training.run import CHECKPOINT, TrainingError, load_run, read_checkpoint
from models.training.sync_batch_norm import synchronise_batch_norms
from models.training.trainer import train_in_processes

QUIET = Console(quiet=True)
WORLD = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_set(tmp_path_factory.mktemp("set"))
    open_cache(folder, tiny.INPUTS, tiny.config().augment.margin)
    return folder


def started(folder: Path) -> Path:
    """A run folder that has the tiny word table already."""
    folder.mkdir()
    tiny.word_table().save(folder / "words.npz")
    return folder


@dataclass(frozen=True)
class Case:
    """A first step: `accumulate` of the replicas; with more than one part, batch norms are those of evaluation."""

    graph: str
    dtype: torch.dtype
    accumulate: int = 1


CASES = [
    Case("fac_bnrelu", torch.float64),
    Case("disjoint", torch.float64),
    Case("fac_relu", torch.float64, accumulate=2),
    Case("fac_relu", torch.float32),
]


def first_steps(data: Path, out: str) -> None:
    """This replica's share of a first step of every case, up to the averaged gradients, to `out`-<rank>."""
    torch.set_num_threads(1)
    with joined() as replica:
        torch.save([one_step(case, data, replica) for case in CASES], f"{out}-{replica.rank}")


def one_step(case: Case, data: Path, replica: Replica) -> dict[str, Any]:
    dtype, accumulate = case.dtype, case.accumulate if replica.world > 1 else 1
    config = replace(tiny.config(), network=replace(tiny.NETWORK, graph=case.graph))
    config = replace(config, optim=replace(config.optim, accumulate=accumulate))
    torch.manual_seed(config.seed)
    network = MMV(config.network, torch.from_numpy(tiny.word_table().vectors())).to(dtype)
    if replica.world > 1:
        synchronise_batch_norms(network)
    tokenizer = Tokenizer(tiny.word_table().words, config.inputs.words, config.inputs.hyphens)
    cache = open_cache(data, config.inputs, config.augment.margin)
    share = (16, config.seed, replica.rank, replica.world)
    # The second batch: one whose statistics float32 rounds less than the first one's (float64 has both to 1e-9).
    batch = Batches(cache, config.inputs, tokenizer, config.augment, *share)(1)
    batch = replace(batch, frames=batch.frames.to(dtype), sound=batch.sound.to(dtype))
    values = torch.stack(list(add_gradients(network.train(case.accumulate == 1), batch, config, 0).values()))
    if replica.world > 1:
        values = average(network, values)
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"losses": values, "gradients": gradients, "state": network.state_dict()}


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What one process found in each case, and then what each of two did that torchrun started."""
    out = str(tmp_path_factory.mktemp("steps") / "found")
    first_steps(data, out)
    one = torch.load(f"{out}-0")
    call = (
        f"from pathlib import Path; from {__name__} import first_steps; first_steps(Path({str(data)!r}), {str(out)!r})"
    )
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={WORLD}",
        "--no-python",
    ]
    done = subprocess.run([*torchrun, sys.executable, "-c", call], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [one, *(torch.load(f"{out}-{rank}") for rank in range(WORLD))]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_two_processes_give_the_losses_gradients_and_statistics_of_the_joined_batch(
    first: list[list[dict[str, Any]]], case: int
) -> None:
    one, *two = (found[case] for found in first)
    exact = CASES[case].dtype == torch.float64
    assert len(one["gradients"]) > 40
    for found in two:
        assert found["state"].keys() == one["state"].keys()
        for wanted in ("losses", "state"):
            torch.testing.assert_close(found[wanted], one[wanted], rtol=1e-9 if exact else 1e-5, atol=1e-5)
        # Relative to the whole gradient: float32 rounds a network of random weights that much (as float64 shows).
        off = (_flat(found["gradients"]) - _flat(one["gradients"])).norm() / _flat(one["gradients"]).norm()
        assert off < (1e-9 if exact else 1e-3), off
    assert torch.equal(_flat(two[0]["gradients"]), _flat(two[1]["gradients"]))  # else the replicas would drift apart


def _flat(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients.values()])


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4), (6, 5, 4, 3), (6, 5, 2, 4, 3)])
def test_a_batch_norm_of_one_replica_is_the_library_s(shape: tuple[int, ...], group: None) -> None:
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)]
    norms = [kind(5).double() for _ in range(2)]
    synchronise_batch_norms(norms[1])
    assert norms[1].state_dict().keys() == norms[0].state_dict().keys()
    inputs = [torch.arange(math.prod(shape)).double().sin().reshape(shape) * 3 + 7 for _ in norms]
    results = []
    for norm, x in zip(norms, inputs, strict=True):
        (norm(x.requires_grad_()) ** 3).sum().backward()
        results.append([x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var])
    torch.testing.assert_close(results[1], results[0])
    norms[1].eval()
    torch.testing.assert_close(norms[1](inputs[0]), norms[0].eval()(inputs[0]))


def test_a_batch_norm_under_autocast_keeps_statistics_in_float32(group: None) -> None:
    norms = [nn.BatchNorm2d(8) for _ in range(2)]
    synchronise_batch_norms(norms[1])
    x = (torch.randn(16, 8, 9, 9, generator=torch.Generator().manual_seed(0)) * 2 + 30).bfloat16()
    found = [norm(x) for norm in norms]
    assert found[1].dtype == torch.bfloat16
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(norms[1].running_var, norms[0].running_var, rtol=1e-5, atol=0)


@pytest.fixture
def group() -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_two_processes_train_a_run_and_go_on_after_a_death_and_a_signal(data: Path, tmp_path: Path) -> None:
    config = replace(tiny.config(steps=10), evaluate_every=5, checkpoint_every=1)

    def trained(name: str, processes: int, resume: bool = False) -> MMV:
        folder = tmp_path / name
        train_in_processes(processes, config, data, folder, validation=data, resume=resume, console=QUIET)
        return load_run(folder).network

    for name in ("one", "two", "cut"):
        started(tmp_path / name)
    two = trained("two", WORLD)
    rows = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "validation" in row] == [5, 10]  # by one of them
    assert json.loads((tmp_path / "two" / "run.json").read_text())["sessions"][0]["processes"] == WORLD

    killed = pytest.raises(TrainingError, match=r"^process 1 of 2 was killed \(SIGKILL\).*--resume$")
    with _once_at(2, tmp_path / "cut", lambda: os.kill(_replicas()[1], signal.SIGKILL)), killed:
        trained("cut", WORLD)
    reached = load_run(tmp_path / "cut").step
    assert 2 <= reached < 10
    asked = _once_at(reached + 2, tmp_path / "cut", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with asked, pytest.raises(SystemExit) as ended:
        trained("cut", WORLD, resume=True)
    assert ended.value.code == 128 + signal.SIGTERM
    assert not _replicas()
    assert reached + 2 <= load_run(tmp_path / "cut").step < 10
    cut = trained("cut", WORLD, resume=True)
    for (name, a), b in zip(two.state_dict().items(), cut.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def _replicas() -> list[int]:
    return [process.pid or 0 for process in sorted(multiprocessing.active_children(), key=lambda p: p.name)]


@contextmanager
def _once_at(step: int, folder: Path, act: Callable[[], None]) -> Iterator[None]:
    """Do something as soon as the run in a folder has a checkpoint of a step, or of a later one."""

    def watch() -> None:
        while not (folder / CHECKPOINT).exists() or read_checkpoint(folder)["step"] < step:
            time.sleep(0.005)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join()


def test_what_one_of_two_processes_cannot_do_is_told_in_one_line(data: Path, tmp_path: Path) -> None:
    config = replace(tiny.config(), optim=replace(tiny.config().optim, batch=7))
    with pytest.raises(TrainingError, match=r"^optim.batch 7 cannot be shared by 2 processes$"):
        train_in_processes(WORLD, config, data, started(tmp_path / "run"), validation=None, resume=False, console=QUIET)


def test_more_processes_than_devices_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="CUDA devices"):
        _device("cuda", 0, torch.cuda.device_count() + 1)
    assert _device("auto", 0, torch.cuda.device_count() + 1).type == "cpu"
    with pytest.raises(TrainingError, match="auto, cpu or cuda"):
        _device("tpu", 0, 1)
