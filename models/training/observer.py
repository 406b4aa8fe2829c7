"""What the training loop tells of itself, and to whom: the log, TensorBoard, the terminal."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from rich.console import Console
from torch import Tensor

from models.training.live_view import EVERY_S, LiveView
from models.training.run import Run
from models.training.run_log import EVERY, Reading, RunLog, record_session

WINDOW = 50  # steps that the speed is taken over


class Observer:
    """Is told of every step and every evaluation."""

    def __init__(self, run: Run, log: RunLog, view: LiveView):
        self.run, self.log, self.view = run, log, view
        self._started = time.monotonic()
        self._times: deque[float] = deque([self._started], maxlen=WINDOW + 1)

    def step(self, parts: Mapping[str, Tensor], rate: float, gradient_norm: Tensor | float) -> None:
        """After `run.step` has gone up: the step's losses, its learning rate, the norm before clipping."""
        run, now = self.run, time.monotonic()
        self._times.append(now)
        reading = Reading(
            step=run.step,
            parts={name: float(value.detach()) for name, value in parts.items()},
            lr=rate,
            clips_per_s=(len(self._times) - 1) * run.config.optim.batch / max(now - self._times[0], 1e-9),
            gradient_norm=float(gradient_norm),
            seconds=self.log.seconds + now - self._started,
        )
        self.view.step(reading)
        if run.step % EVERY == 0 or run.step == run.config.optim.steps:
            self.log.step(reading)

    def evaluated(self, found: dict[str, float]) -> None:
        """The held-out figures at `run.step`."""
        self.log.evaluated(self.run.step, found)
        self.view.evaluated(self.run.step, found)
        self._times = deque([time.monotonic()], maxlen=WINDOW + 1)  # evaluating is not training


@contextmanager
def observe(run: Run, clips: int, console: Console, every_s: float = EVERY_S) -> Iterator[Observer]:
    """Observe one session of a run that trains on so many clips, from `run.step` on."""
    record_session(run, clips)
    with ExitStack() as closing:
        log = RunLog(run.folder, run.step, console)
        closing.callback(log.close)
        view = closing.enter_context(LiveView(console, run.config.name, run.config.optim.steps, run.step, every_s))
        for step, found in log.evaluations:
            view.remember(step, found)
        yield Observer(run, log, view)
