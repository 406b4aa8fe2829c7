"""Classifiers for sets that do not fit in memory: trained on batches of feature rows that stay on the disk.

The recipe: features standardised; a linear layer (or one hidden layer of ReLUs); Adam, 1e-3 to 0 along a half cosine;
batches of 1,024 rows; 20 passes, and at least 500 steps. Rows lie on the disk in an order that was shuffled over the
files, and batches are made of runs of 64 of them: disks read runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, RUN = 1024, 64
EPOCHS, MIN_STEPS = 20, 500
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-6
TOLD = (
    f"standardised features; Adam, {LEARNING_RATE:g} to 0 along a half cosine, {EPOCHS} passes, batches of {BATCH:,}, "
    f"at least {MIN_STEPS:,} steps"
)


@dataclass(frozen=True)
class Classifier:
    """A trained head and the mean and scale of its inputs."""

    head: nn.Module
    mean: Tensor
    scale: Tensor

    @torch.inference_mode()
    def scores(self, rows: np.ndarray) -> np.ndarray:
        """float32 [N, D] to logits [N, C]."""
        x = torch.from_numpy(np.array(rows, np.float32)).to(self.mean.device)
        return self.head((x - self.mean) / self.scale).float().cpu().numpy()


def train_classifier(
    features: np.ndarray,
    rows: np.ndarray,
    target: Callable[[np.ndarray], np.ndarray],
    classes: int,
    *,
    hidden: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Classifier:
    """features [R, D], of which `rows` [N] are trained on.

    `target` gives the targets of some positions in `rows`: int [n] of one class each (cross-entropy) or float [n, C] of
    any number of them (binary cross-entropy).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    mean, scale = _moments(features, rows)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = _head(features.shape[1], hidden, classes).to(device)
    centre, spread = torch.from_numpy(mean).to(device), torch.from_numpy(scale).to(device)
    steps_a_pass = -(-len(rows) // BATCH)
    passes = max(EPOCHS, -(-MIN_STEPS // steps_a_pass))
    optimiser = torch.optim.Adam(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, passes * steps_a_pass)
    rng = np.random.default_rng(seed)
    for done in range(passes):
        order = _order(len(rows), rng)
        for start in range(0, len(order), BATCH):
            picked = order[start : start + BATCH]
            x = torch.from_numpy(np.asarray(features[rows[picked]])).to(device)
            y = torch.from_numpy(target(picked)).to(device)
            logits = head((x - centre) / spread)
            one_class = y.ndim == 1
            loss = F.cross_entropy(logits, y) if one_class else F.binary_cross_entropy_with_logits(logits, y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        progress(done + 1, passes)
    return Classifier(head.eval(), centre, spread)


def _head(dim: int, hidden: int, classes: int) -> nn.Module:
    if hidden:
        return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    linear = nn.Linear(dim, classes)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _moments(features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (1 where it is 0, as StandardScaler has it) of each feature: float32 [D] both."""
    total = np.zeros(features.shape[1])
    squares = np.zeros(features.shape[1])
    shift = np.asarray(features[rows[0]], np.float64)  # variances by differences of squares need small means
    for start in range(0, len(rows), 8192):
        part = np.asarray(features[rows[start : start + 8192]], np.float64) - shift
        total += part.sum(axis=0)
        squares += (part**2).sum(axis=0)
    mean = total / len(rows)
    variance = np.maximum(squares / len(rows) - mean**2, 0)
    scale = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
    return (mean + shift).astype(np.float32), scale.astype(np.float32)


def _order(count: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of one pass: runs of neighbours, shuffled."""
    runs = np.split(np.arange(count), range(RUN, count, RUN))
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])
