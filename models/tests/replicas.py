"""Losses over real replicas: processes with a gloo group, each with its slice of a batch."""

from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from models.training.losses import mil_nce

DIM = 7


class Heads(nn.Module):
    """What learns: a linear layer for clips and one for candidates."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.video, self.candidates = nn.Linear(DIM, 5).double(), nn.Linear(DIM, 5).double()

    def forward(self, video: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        return self.video(video), self.candidates(candidates)


Batch = dict[str, Tensor]  # video [B, DIM], candidates [B, K, DIM], valid [B, K], temperature []


def step(heads: nn.Module, batch: Batch) -> Batch:
    """One forward and backward; the loss and the gradients of inputs and (summed up by DDP, if it is) of weights."""
    heads.zero_grad()
    video, candidates = batch["video"].requires_grad_(), batch["candidates"].requires_grad_()
    clips, words = heads(video, candidates)
    loss = mil_nce(clips, words, batch["valid"], float(batch["temperature"]))
    loss.backward()
    assert video.grad is not None
    assert candidates.grad is not None
    weights = [parameter.grad.flatten() for parameter in heads.parameters() if parameter.grad is not None]
    return {"loss": loss.detach(), "video": video.grad, "candidates": candidates.grad, "weights": torch.cat(weights)}


def run_replicas(batches: dict[str, Batch], world: int, folder: Path) -> list[dict[str, Batch]]:
    """Each replica's results for its share of every batch. Hanging collectives end in an error after a minute."""
    torch.save(batches, folder / "batches.pt")
    # In this process, so that it outlives the replicas; a FileStore may abort the one that leaves last.
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    spawn(_replica, (world, store.port, str(folder)), nprocs=world)
    return [torch.load(folder / f"replica-{rank}.pt") for rank in range(world)]


def _replica(rank: int, world: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=60))
    heads = DistributedDataParallel(Heads())
    results = {}
    for name, batch in torch.load(f"{folder}/batches.pt").items():
        share = {key: value if value.ndim == 0 else value.chunk(world)[rank].clone() for key, value in batch.items()}
        results[name] = step(heads, share)
    torch.save(results, f"{folder}/replica-{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
