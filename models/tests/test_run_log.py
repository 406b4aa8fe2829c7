"""What a run tells of itself while it trains: the log, TensorBoard's events, the terminal."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from models.tests import tiny
from models.training.live_view import LiveView
from models.training.observer import observe
from models.training.run import Run, TrainingError
from models.training.run_log import LOG, Reading, read_log, read_record

QUIET = Console(quiet=True)


def run_at(folder: Path, step: int = 0, steps: int = 60) -> Run:
    return Run(folder, tiny.config(steps=steps), tiny.word_table(), tiny.network(), "fingerprint", step)


def go_on(run: Run, until: int, console: Console = QUIET, every_s: float = 30) -> None:
    """Steps of a training whose loss is 100 / step; its recall at steps 20 and 40 is a fifth and a tenth."""
    with observe(run, 18, console, every_s) as observer:
        while run.step < until:
            run.step += 1
            loss = torch.tensor(100 / run.step, requires_grad=True)
            observer.step({"loss": loss, "audio": loss / 2}, 1e-3 / run.step, torch.tensor(0.5))
            if run.step in (20, 40):
                observer.evaluated({"text->video R@10": 4 / run.step, "chance": 0.05})


def reading(step: int) -> Reading:
    return Reading(step, {"loss": 1.0}, 1e-3, 10.0, float("inf"), 1.0)


def test_the_log_has_a_row_every_twenty_steps_and_one_for_each_evaluation(tmp_path: Path) -> None:
    go_on(run_at(tmp_path, steps=50), 50)
    rows = read_log(tmp_path)
    assert [r["step"] for r in rows] == [20, 20, 40, 40, 50]
    assert rows[0]["loss"] == 5
    assert rows[0]["audio"] == 2.5
    assert rows[0]["lr"] == pytest.approx(5e-5)
    assert rows[0]["gradient_norm"] == 0.5
    assert rows[0]["clips_per_s"] > 0
    assert rows[1]["validation"] == {"text->video R@10": 0.2, "chance": 0.05}


def test_a_norm_without_bound_is_still_a_row_of_json() -> None:
    assert json.loads(json.dumps(reading(1).row(), allow_nan=False))["gradient_norm"] is None


def test_a_resumed_run_drops_what_it_is_about_to_do_again(tmp_path: Path) -> None:
    go_on(run_at(tmp_path), 60)
    log = tmp_path / LOG
    log.write_text(log.read_text() + '{"step": 60, "lo')  # the power went here
    before = read_log(tmp_path)
    go_on(run_at(tmp_path, step=40), 60)
    rows = read_log(tmp_path)
    assert [r["step"] for r in rows] == [20, 20, 40, 40, 60]
    assert rows[:4] == before[:4]
    assert rows[4]["seconds"] >= rows[2]["seconds"]
    assert [s["from_step"] for s in read_record(tmp_path)["sessions"]] == [0, 40]
    assert read_record(tmp_path)["clips"] == 18


def test_a_resumed_run_knows_the_best_of_before(tmp_path: Path) -> None:
    go_on(run_at(tmp_path), 30)
    console = Console(file=io.StringIO(), width=40)
    go_on(run_at(tmp_path, step=30), 40, console)
    assert "R@10 0.10 (best 0.20 at step 20)" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_that_begins_anew_has_no_rows_of_the_one_before(tmp_path: Path) -> None:
    go_on(run_at(tmp_path), 20)
    go_on(run_at(tmp_path), 20)
    assert [r["step"] for r in read_log(tmp_path)] == [20, 20]
    assert len(read_record(tmp_path)["sessions"]) == 1


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 20, "loss": 1}\nnothing\n{"step": 40, "loss": 1}\n')
    with pytest.raises(TrainingError, match="line 2"):
        read_log(tmp_path)


def test_tensorboard_reads_the_events_of_both_sessions(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    go_on(run_at(tmp_path), 60)
    go_on(run_at(tmp_path, step=40), 60)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("training/loss")] == [
        (20, 5.0),
        (40, 2.5),
        (60, pytest.approx(100 / 60, abs=1e-4)),
    ]
    assert [e.step for e in events.Scalars("held-out/text to video R at 10")] == [20, 40]
    assert "training/gradient_norm" in events.Tags()["scalars"]


def test_without_tensorboard_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    console = Console(file=io.StringIO(), width=200)
    go_on(run_at(tmp_path), 20, console)
    assert console.file.getvalue().count("tensorboard is not installed") == 1  # type: ignore[attr-defined]
    assert len(read_log(tmp_path)) == 2
    assert not (tmp_path / "tensorboard").exists()


def test_where_lines_cannot_be_drawn_over_there_is_one_now_and_then(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=40)
    go_on(run_at(tmp_path), 41, console, every_s=0)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("step 1/60, loss 100.000, audio 50.000, lr 1.0e-03, ")
    assert lines[0].endswith(" left")
    assert "gradient norm 0.50" in lines[0]
    assert "step 20: held out text->video R@10 0.20, chance 0.05" in lines
    assert "step 40: held out text->video R@10 0.10 (best 0.20 at step 20), chance 0.05" in lines
    assert sum(line.startswith("step 41/60") for line in lines) == 2  # as it came, and at the end
    assert not any("\x1b" in line for line in lines)


def test_seldom_means_seldom(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=40)
    go_on(run_at(tmp_path), 19, console, every_s=3600)
    assert len(console.file.getvalue().splitlines()) == 1  # type: ignore[attr-defined]


def test_a_terminal_shows_losses_speed_time_left_and_the_best_so_far() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=110, height=30, _environ={"TERM": "xterm"})
    with LiveView(console, "tiny [net]", 60, 0) as view:
        for step in range(1, 41):
            view.step(reading(step))
        view.evaluated(20, {"text->video R@10": 0.2, "chance": 0.05})
        view.evaluated(40, {"text->video R@10": 0.1, "chance": 0.05})
        shown = Console(file=io.StringIO(), width=110)
        shown.print(view.panel())
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    for wanted in ("tiny [net]", "40/60", "left", "loss 1.000", "lr 1.0e-03", "10 clips/s", "gradient norm inf"):
        assert wanted in text
    row = next(line for line in text.splitlines() if line.startswith("text->video R@10"))
    assert row.split()[2:] == ["10.0", "%", "20.0", "%", "20"]
    assert "step 40" in text
    assert "text->video R@10" in console.file.getvalue()  # type: ignore[attr-defined]
