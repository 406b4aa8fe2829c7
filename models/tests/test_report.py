"""The report of a training run: one page that needs nothing beside itself."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from models.preprocess.text import Tokenizer
from models.tests import tiny
from models.tests.tiny_clips import write_set
from models.training import cli, trainer
from models.training.data.cache import ClipCache, open_cache
from models.training.data.manifest import Narration
from models.training.held_out import Search, quick_evaluation, search_held_out
from models.training.report import charts, figures, write_report
from models.training.report_charts import Line, chart, smoothed, ticks
from models.training.report_pictures import examples
from models.training.run import Run
from models.training.run_log import LOG, RECORD, read_record

VOID = {"meta", "img", "link", "br", "hr", "input"}
EVALUATIONS = [
    (20, {"text->video R@1": 0.1, "text->video R@10": 0.4, "audio->video R@10": 0.9, "chance": 0.05}),
    (40, {"text->video R@1": 0.2, "text->video R@10": 0.3, "audio->video R@10": 0.9, "chance": 0.05}),
]


class Page(HTMLParser):
    """Elements with their attributes, and text; fails where an element is not closed in its order."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " " if self.open[-1:] != ["style"] else ""

    def count(self, tag: str, kind: str = "") -> int:
        """Elements of a tag and a class."""
        return sum(t == tag and kind in ("", *(a.get("class") or "").split()) for t, a in self.elements)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    return open_cache(write_set(tmp_path_factory.mktemp("set")), tiny.INPUTS, 0.125)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has a log of 40 steps with two evaluations."""
    rows: list[dict[str, object]] = []
    for step, found in EVALUATIONS:
        losses = {"loss": 200 / step, "audio": 80 / step, "text": 120 / step}
        rows.append(
            {"step": step, **losses, "lr": 1e-3, "clips_per_s": 50.5, "gradient_norm": 1.5, "seconds": 3 * step}
        )
        rows.append({"step": step, "validation": found})
    (tmp_path / LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
    session = {"started": "2026-01-02 03:04:05", "from_step": 0, "git_revision": "0123456789abcdef+changes"}
    session |= {"torch": "2.13.0", "machine": "a computer", "processes": 1}
    (tmp_path / RECORD).write_text(json.dumps({"clips": 1234, "data": "f1", "sessions": [session]}))
    return Run(tmp_path, tiny.config(steps=60), tiny.word_table(), tiny.network(), "f1f2f3", 40)


def test_the_page_stands_alone_and_has_the_figures(run: Run, held_out: ClipCache) -> None:
    path = write_report(run, held_out)
    assert path == run.folder / "report.html"
    text = path.read_text()
    page = Page(text)
    assert len(text) < 3_000_000
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert not any("href" in attributes for _, attributes in page.elements)
    assert {a["src"][:23] for t, a in page.elements if t == "img" and a["src"]} == {"data:image/jpeg;base64,"}
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.elements}
    said = " ".join(page.text.split())
    for wanted in ("at step 40 of 60", "after 0:02:00 h", "1234", "f1f2f3", "0123456789ab+changes", "a computer"):
        assert wanted in said
    assert "words → video R@10 30.0 % 40.0 % 20 5.0 %" in said
    assert "words → video R@1 20.0 % 20.0 % 40 0.5 %" in said
    assert "learning_rate: 0.003" in said
    assert page.count("svg") == 6
    # Six at each end in words, and in sound where a picture of the sound is one more.
    assert page.count("article") == 24
    assert page.count("figure", "picture") == 12 * 4 + 12 * 5


def test_words_out_of_the_data_stay_words(run: Run, held_out: ClipCache) -> None:
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
    clips = [replace(c, narrations=(Narration(0, 2, evil),)) for c in held_out.clips]
    named = replace(run, config=replace(run.config, name="<b>net</b>"))
    text = write_report(named, replace(held_out, clips=clips)).read_text()
    page = Page(text)
    assert "<script" not in text
    assert evil in page.text
    assert page.count("b") == Page(write_report(run, held_out).read_text()).count("b")
    assert all(set(a) <= {"src", "alt", "title"} for t, a in page.elements if t == "img")


def test_without_held_out_clips_it_says_so(run: Run) -> None:
    page = Page(write_report(run, None).read_text())
    assert page.count("article") == 0
    assert "No held-out clips, no pictures" in page.text


def test_a_run_of_before_there_was_a_record_has_a_report(run: Run) -> None:
    (run.folder / RECORD).unlink()
    (run.folder / LOG).write_text('{"step": 20, "loss": 1.0, "lr": 0.001, "clips_per_s": 3.0}\n')
    page = Page(write_report(run, None).read_text())
    assert page.count("svg") == 3
    assert "not recorded" in page.text
    (run.folder / LOG).unlink()
    assert "holds no step yet" in write_report(run, None).read_text()


def test_the_table_has_the_last_and_the_best_beside_chance() -> None:
    rows = {(f["direction"], f["metric"]): f for f in figures(EVALUATIONS)}
    words = rows["words → video", "R@10"]
    assert (words["last"], words["best"], words["best_step"], words["chance"]) == (0.3, 0.4, 20, 0.05)
    assert rows["words → video", "R@1"]["chance"] == pytest.approx(0.005)
    assert rows["sound → video", "R@10"]["best_step"] == 20  # the first of two that are as good
    assert figures([]) == []


def test_curves_are_of_what_was_recorded() -> None:
    assert [c.title for c in charts([], EVALUATIONS)] == ["Held out: words → video", "Held out: sound → video"]
    assert charts([], []) == []
    lines = charts([], EVALUATIONS)[0].lines
    assert [(n.label, n.style) for n in lines] == [("R@1", "dots"), ("R@10", "dots"), ("R@10 by chance", "dashed")]
    assert lines[1].dots[0][2] == "R@10, step 20: 40 %"


def test_points_lie_where_their_values_do() -> None:
    drawn = chart("t", [Line("a", [(0, 0.0), (50, 5.0), (100, 10.0), (100, float("nan"))], "dots")])
    assert drawn is not None
    (x0, y0, _), (x1, y1, _), (x2, y2, _) = drawn.lines[0].dots
    assert (x0, y0) == (drawn.left, drawn.bottom)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert (x2, drawn.right) == (drawn.x_ticks[-1][0], x2)
    assert chart("t", [Line("a", [(1, float("inf"))])]) is None


def test_a_line_that_is_flat_or_one_point_is_drawn() -> None:
    for points in ([(5, 2.0)], [(0, 2.0)], [(0, 0.0), (9, 0.0)], [(1, 3.0), (2, 3.0)]):
        for from_zero in (True, False):
            drawn = chart("t", [Line("a", points, "dots")], from_zero=from_zero)
            assert drawn is not None
            assert all(drawn.left <= x <= drawn.right and 0 <= y <= drawn.bottom for x, y, _ in drawn.lines[0].dots)


def test_ticks_are_round_and_smoothing_does_not_lag() -> None:
    assert ticks(0, 2400, 5) == [0, 500, 1000, 1500, 2000]
    assert ticks(0.03, 0.97, 5, around=True) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    straight = [(i, 2.0 * i) for i in range(30)]
    assert smoothed(straight) == pytest.approx(np.array(straight))
    assert smoothed([(0, 1.0), (1, float("inf")), (2, 1.0)]) == [(0, 1.0), (2, 1.0)]


def test_the_ends_are_the_surest_first_and_the_furthest_down(run: Run, held_out: ClipCache) -> None:
    scores = np.zeros((4, 18))
    scores[[0, 1, 2, 3], [3, 4, 5, 6]] = [0.5, 0.9, -0.1, 0.1]
    scores[3, 7] = 0.2
    search = Search("text->video", np.array([3, 4, 5, 6]), scores, ["sure", "surest", "last", "second"])
    assert search.ranks().tolist() == [1, 1, 18, 2]
    found = examples(search, held_out, run.network, run.config)
    assert [e.words for e in found.best] == ["surest", "sure"]
    assert [e.words for e in found.worst] == ["last", "second"]
    assert [p.right for p in found.best[0].found] == [True, False, False]
    assert [p.right for p in found.worst[1].found] == [False, True, False]
    assert found.first == 0.5


def test_what_is_missing_is_not_searched_by(run: Run, held_out: ClipCache) -> None:
    tokenizer = Tokenizer(tiny.word_table().words, 6)
    both = search_held_out(run, held_out, tokenizer)
    assert [(s.name, len(s.truth)) for s in both] == [("text->video", 15), ("audio->video", 15)]
    assert all(s.scores.shape == (15, 18) for s in both)
    assert set(quick_evaluation(run, held_out, tokenizer)) == {
        *(f"{a}->video R@{k}" for a in ("text", "audio") for k in (1, 5, 10)),
        "chance",
    }
    silent = replace(held_out, clips=[replace(c, has_audio=False, narrations=()) for c in held_out.clips])
    assert search_held_out(run, silent, tokenizer) == []
    assert quick_evaluation(run, silent, tokenizer) == {"chance": 10 / 18}


def command(*arguments: object) -> Result:
    """`mmv-search report`, in this process."""
    app = typer.Typer()
    cli.register(app, typer.Typer())
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_training_ends_with_a_report_and_the_command_writes_one_of_other_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())
    data, run = write_set(tmp_path), tmp_path / "run"
    trainer.train(tiny.config(steps=2), data, run, validation=None, resume=False, console=Console(quiet=True))
    assert Page((run / "report.html").read_text()).count("article") == 0
    assert read_record(run)["clips"] == 18
    result = command(run, "--data", data, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "page.html" in result.output
    assert Page((tmp_path / "page.html").read_text()).count("article") == 24


def test_a_run_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    result = command(tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.output.count("error:") == 1
    assert "nothing" in result.output
