"""What a person sees while a network trains: a live panel in a terminal, plain lines now and then elsewhere."""

import time
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from models.training.run_log import Reading

EVERY_S = 30.0  # seconds from one plain line to the next
SMOOTH = 0.95  # share of what was before, in the losses that are shown
CHANCE = "chance"


class LiveView:
    """Shows readings and held-out figures as they come; a context manager."""

    def __init__(self, console: Console, name: str, steps: int, first: int, every_s: float = EVERY_S):
        self.console, self.steps, self.first, self.every_s = console, steps, first, every_s
        self.parts: dict[str, float] = {}
        self.latest: Reading | None = None
        self.found: dict[str, float] = {}
        self.best: dict[str, tuple[float, int]] = {}  # the highest value and its step
        self.evaluated_at = 0
        self._weight = 0.0
        self._began = self._told = time.monotonic()
        columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("gone,"))
        self._bar = Progress(TextColumn(name, markup=False), *columns, TimeRemainingColumn(), TextColumn("left"))
        self._task = self._bar.add_task("", total=steps, completed=first)
        self._live = Live(get_renderable=self.panel, console=console, refresh_per_second=4) if _wants(console) else None

    def __enter__(self) -> "LiveView":
        self._began = self._told = time.monotonic()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        else:
            self._line()

    def step(self, reading: Reading) -> None:
        """Show a step."""
        self.latest = reading
        self._weight = SMOOTH * self._weight + 1 - SMOOTH
        for name, value in reading.parts.items():
            before = self.parts.get(name, 0.0)
            self.parts[name] = before + (value - before) * (1 - SMOOTH) / self._weight
        self._bar.update(self._task, completed=reading.step)
        if not self._live and time.monotonic() - self._told >= self.every_s:
            self._line()

    def evaluated(self, step: int, found: dict[str, float]) -> None:
        """Show held-out figures."""
        self.remember(step, found)
        if not self._live:
            told = [f"{name} {value:.2f}" + self._best(name) for name, value in found.items()]
            self._print(f"step {step}: held out " + ", ".join(told))

    def remember(self, step: int, found: dict[str, float]) -> None:
        """Take held-out figures, such as those of a session before, as what there is so far."""
        self.found, self.evaluated_at = found, step
        for name, value in found.items():
            if value > self.best.get(name, (-1.0, 0))[0]:
                self.best[name] = (value, step)

    def panel(self) -> RenderableType:
        """What the terminal shows now."""
        parts: list[RenderableType] = [self._bar]
        if self.latest:
            now = Table.grid(padding=(0, 2))
            now.add_row(*[f"{k} [bold]{v:.3f}" for k, v in self.parts.items()], *_measured(self.latest))
            parts.append(now)
        if self.found:
            parts.append(self._figures())
        return Group(*parts)

    def _figures(self) -> Table:
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for i, heading in enumerate(("held out", f"at step {self.evaluated_at}", "best so far", "at step")):
            table.add_column(heading, justify="right" if i else "left")
        for name, value in self.found.items():
            if name != CHANCE:
                best, step = self.best[name]
                table.add_row(name, f"[bold]{100 * value:.1f} %", f"{100 * best:.1f} %", str(step))
        if CHANCE in self.found:
            table.add_row("R@10 by chance", f"{100 * self.found[CHANCE]:.1f} %", "", "", style="dim")
        return table

    def _best(self, name: str) -> str:
        best, step = self.best[name]
        return f" (best {best:.2f} at step {step})" if best > self.found[name] else ""

    def _line(self) -> None:
        """A plain line: what the panel would say."""
        self._told = time.monotonic()
        if self.latest is None:
            return
        done = self.latest.step
        told = [f"step {done}/{self.steps}", *(f"{k} {v:.3f}" for k, v in self.parts.items()), *_measured(self.latest)]
        each = (self._told - self._began) / max(1, done - self.first)
        told.append(f"{timedelta(seconds=round(each * (self.steps - done)))} left")
        self._print(", ".join(told))

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _wants(console: Console) -> bool:
    """Whether it is a terminal in which lines can be drawn over."""
    return console.is_terminal and not console.is_dumb_terminal and not console.quiet


def _measured(reading: Reading) -> list[str]:
    speed = f"{reading.clips_per_s:.0f} clips/s"
    return [f"lr {reading.lr:.1e}", speed, f"gradient norm {reading.gradient_norm:.2f}"]
