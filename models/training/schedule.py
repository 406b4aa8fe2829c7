"""Learning rates: linear warm-up, then half-cosine decay to zero (appendix A of the paper)."""

import math

from models.training.config import TrainConfig


def half_cosine(step: int, steps: int, peak: float, warmup_steps: int = 0) -> float:
    """The learning rate of a step of a course of `steps`; 0 beyond its end."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of a step of training, each of whose courses warms up and decays."""
    o, step = config.optim.course(step)
    return half_cosine(step, o.steps, o.learning_rate, o.warmup_steps)
