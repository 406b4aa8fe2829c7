"""The processes that train one network together: how they start, find each other, and average their gradients."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.training.run import TrainingError

# How long one replica may keep the others waiting: the first decodes the clips and evaluates while they do.
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Replica:
    """This process among those that train together; alone by default."""

    rank: int = 0
    world: int = 1
    cores: int | None = None  # to compute with; None is what the configuration says

    @property
    def first(self) -> bool:
        """Whether this one logs, evaluates and saves."""
        return self.rank == 0


@contextmanager
def joined() -> Iterator[Replica]:
    """This process among the others that `torchrun` or `start` started with it; alone where none did.

    They are those that RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT in the environment say.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Replica()
        return
    cores = max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", world)))
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Replica(dist.get_rank(), world, cores)
        dist.barrier()  # nobody leaves before the first has saved
    finally:
        dist.destroy_process_group()


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

    Raises TrainingError with the message of the first one that failed; the others are ended then.
    """
    context = multiprocessing.get_context("spawn")
    # Held by this process, so that it outlives every replica; of a free port.
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = context.SimpleQueue()
    processes = [
        context.Process(target=_replica, args=(rank, world, store.port, told, work, arguments)) for rank in range(world)
    ]
    try:
        for process in processes:
            process.start()
        running = list(processes)
        while running:
            wait([p.sentinel for p in running])
            running = [p for p in running if p.exitcode is None]
            if any(p.exitcode for p in processes):
                break
        failed = [p for p in processes if p.exitcode]
        if failed:
            message = f"process {processes.index(failed[0])} of {world} ended with status {failed[0].exitcode}"
            raise TrainingError(told.get() if not told.empty() else message)
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


def _replica(
    rank: int, world: int, port: int, told: Any, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    os.environ |= {k: str(v) for k, v in found.items()}
    # As under torchrun: the store is there already, none of the replicas makes it.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    try:
        work(*arguments)
    except Exception as error:
        told.put(str(error))
        raise SystemExit(1) from error


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
