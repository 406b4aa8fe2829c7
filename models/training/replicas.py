"""The processes that train one network together: how they start, find each other, and average their gradients."""

import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import wait
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.training.interruption import interruptible
from models.training.run import TrainingError

# How long one replica may keep the others waiting: the first decodes the clips and evaluates while they do.
PATIENCE = timedelta(hours=12)
GRACE_S = 60  # for the others to save and end, where one ended


@dataclass(frozen=True)
class Replica:
    """This process among those that train together; alone by default."""

    rank: int = 0
    world: int = 1
    cores: int | None = None  # to compute with; None is what the configuration says
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this one logs, evaluates and saves."""
        return self.rank == 0


@contextmanager
def joined(device: str = "auto") -> Iterator[Replica]:
    """This process among the others that `torchrun` or `start` started with it; alone where none did.

    They are those that RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT in the environment
    say. Raises TrainingError in all of them when one is lost.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    found = _device(device, int(os.environ.get("LOCAL_RANK", "0")), here)
    if world == 1:
        yield Replica(device=found)
        return
    dist.init_process_group("nccl" if found.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Replica(dist.get_rank(), world, max(1, (os.cpu_count() or 1) // here), found)
        dist.barrier()  # nobody leaves before the first has saved
    except RuntimeError as error:
        if not re.search("gloo|nccl|connection (closed|reset)", str(error), re.IGNORECASE):
            raise
        raise TrainingError(f"{LOST}; go on from the last checkpoint with --resume") from error
    finally:
        dist.destroy_process_group()


LOST = "one of the processes that train together has ended"


def _device(asked: str, rank: int, processes: int) -> torch.device:
    """Of the process of a rank among those of this machine. Raises TrainingError where there are too few."""
    enough = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    if asked == "cpu" or (asked == "auto" and not enough):
        return torch.device("cpu")
    if asked not in ("auto", "cuda"):
        raise TrainingError(f"the device is {asked!r}; it must be auto, cpu or cuda")
    if not enough:
        raise TrainingError(f"{processes} processes need as many CUDA devices; there are {torch.cuda.device_count()}")
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


@contextmanager
def first_alone(replica: Replica) -> Iterator[None]:
    """Let the first replica do something before the others do it too, such as filling a cache that they then read."""
    if not replica.first:
        dist.barrier()
    yield
    if replica.first and replica.world > 1:
        dist.barrier()


def start(world: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(*arguments)` in so many processes that find each other with `joined`; returns when all have.

    Ctrl-C and SIGTERM are passed on, and end this process once the others have ended. Raises TrainingError when one
    failed, with its message; the others are ended then.
    """
    context = multiprocessing.get_context("spawn")
    # Held by this process, so that it outlives every replica; of a free port.
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = context.SimpleQueue()
    processes = [
        context.Process(target=_replica, args=(rank, world, store.port, told, work, arguments)) for rank in range(world)
    ]
    with interruptible() as interruption:
        try:
            for process in processes:
                process.start()
            passed_on = False
            while not any(p.exitcode for p in processes) and any(p.exitcode is None for p in processes):
                wait([p.sentinel for p in processes if p.exitcode is None], timeout=0.2)
                if interruption.signal and not passed_on:
                    passed_on = True
                    _end(processes)
            failed = {rank: p.exitcode for rank, p in enumerate(processes) if p.exitcode}
        finally:
            _end(processes)
            deadline = time.monotonic() + GRACE_S
            for process in processes:
                process.join(max(0.0, deadline - time.monotonic()))
                if process.exitcode is None:
                    process.kill()
                    process.join()
    if interruption.signal:
        interruption.end()
    if failed:
        raise TrainingError(_told(failed, world, told))


def _end(processes: list[Any]) -> None:
    for process in processes:
        if process.pid is not None and process.exitcode is None:
            process.terminate()


def _told(failed: dict[int, int], world: int, told: Any) -> str:
    """What the failed replicas told; of those that were killed, that they were."""
    killed = [rank for rank, status in failed.items() if status < 0]
    if killed:
        name = signal.Signals(-failed[killed[0]]).name
        return (
            f"process {killed[0]} of {world} was killed ({name}), the others were ended; "
            "go on from the last checkpoint with --resume"
        )
    if told.empty():
        return f"process {min(failed)} of {world} ended with status {failed[min(failed)]}"
    message: str = told.get()
    return message


def _replica(
    rank: int, world: int, port: int, told: Any, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    os.environ |= {k: str(v) for k, v in found.items()}
    # As under torchrun: the store is there already, none of the replicas makes it.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    try:
        work(*arguments)
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    except (TrainingError, ValueError) as error:  # of the configuration, the data or the run: the message says it all
        told.put(str(error))
        raise SystemExit(1) from None
    except Exception as error:
        told.put(f"{type(error).__name__}: {error}")
        raise


def average(network: nn.Module, values: Tensor) -> Tensor:
    """Average the gradients of `network` over the replicas, and `values` [N] with them; the averaged values.

    One collective for all. The losses are scaled so that these are the gradients of the joined batch.
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([values, *[g.flatten() for g in gradients]])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    averaged, *parts = flat.split([len(values), *[g.numel() for g in gradients]])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return averaged
