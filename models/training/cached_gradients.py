"""Gradients of a batch that is too large to go through the network at once, exact for the contrastive loss.

Averaging the losses of micro-batches would leave each sample only its own micro-batch's negatives. Instead
("GradCache", Gao et al., RepL4NLP 2021): embed all micro-batches without gradients, take the loss over all of them and
its gradients at the embeddings, then embed each again and lead those gradients back through the network.

Batch norm normalises each micro-batch by its own statistics, and its running ones move once for each micro-batch:
there, and only there, does a step differ from that of the undivided batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch
from torch import Tensor, nn

from models.networks.mmv import MMV
from models.training.config import TrainConfig
from models.training.data.batches import Batch
from models.training.objective import embed, losses, losses_of


def add_gradients(network: MMV, batch: Batch, config: TrainConfig, seed: int) -> dict[str, Tensor]:
    """Add the gradients of a batch's loss to the network's; the loss and its parts, detached.

    The batch goes through in `optim.accumulate` micro-batches. `seed` is that of what is random in the network.
    """
    count = config.optim.accumulate
    torch.manual_seed(seed)
    if count == 1:
        parts = losses(network, batch, config)
        parts["loss"].backward()
        return {name: value.detach() for name, value in parts.items()}
    micro = _split(batch, count)
    found = []
    with torch.no_grad():
        for i, piece in enumerate(micro):
            torch.manual_seed(seed + i)
            found.append(embed(network, piece, config.optim))
    joined = {name: torch.cat([part[name] for part in found]).requires_grad_() for name in found[0]}
    parts = losses_of(joined, batch, config.optim)
    parts["loss"].backward()
    gradients = {name: x.grad.chunk(count) for name, x in joined.items() if x.grad is not None}
    with _statistics_kept(network):
        for i, piece in enumerate(micro):
            torch.manual_seed(seed + i)  # the same units are dropped as before
            again = embed(network, piece, config.optim)
            torch.autograd.backward([again[name] for name in gradients], [g[i] for g in gradients.values()])
    return {name: value.detach() for name, value in parts.items()}


def _split(batch: Batch, count: int) -> list[Batch]:
    chunks = {f.name: getattr(batch, f.name).chunk(count) for f in fields(batch)}
    return [Batch(**{name: parts[i] for name, parts in chunks.items()}) for i in range(count)]


@contextmanager
def _statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch norms normalise by the batch, but what they see does not count a second time."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
