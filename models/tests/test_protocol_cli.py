"""`mmv-search evaluate --protocol`, as a person calls it: what is printed and written, answers to bad input."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from models.bundle import load_bundle, shipped_bundle_path
from models.tests import tiny_bundle
from models.tests.tiny_sets import TONES, text, tone
from models.training.cli import register
from models.training.evaluation.protocols.cli import command_of
from models.training.evaluation.protocols.context import Options
from models.training.evaluation.protocols.registry import NAMES


def run(*arguments: object) -> Result:
    """`mmv-search evaluate` in this process."""
    app, bundles = typer.Typer(), typer.Typer()
    app.add_typer(bundles, name="bundle")
    register(app, bundles)
    return CliRunner().invoke(app, ["evaluate", *(str(a) for a in arguments)])


def failed_with(result: Result, message: str) -> bool:
    """Whether it ended with status 1 and one line of error, no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.output.count("error:") == 1
    return message in " ".join(result.output.split())


@pytest.fixture
def esc(tmp_path: Path) -> Path:
    """ESC-50 with two folds of two classes."""
    data = tmp_path / "esc"
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 2):
        for target in (0, 1):
            tone(data / "audio" / f"{fold}-1-A-{target}.wav", TONES[target], 10 * fold + target, seconds=0.5)
            rows.append(f"{fold}-1-A-{target}.wav,{fold},{target},tone{target},False,1,A")
    text(data / "meta" / "esc50.csv", *rows, "2-9-A-1.wav,2,1,tone1,False,1,A")
    return data


def test_one_command_prints_a_page_and_writes_it(esc: Path, tmp_path: Path) -> None:
    bundle = shipped_bundle_path()
    out = tmp_path / "results" / "esc50"
    asked = ("--split", 1, "--windows", 1, "--cache", tmp_path / "cache", "--out", out)
    result = run(bundle, "--protocol", "esc50", "--data", esc, *asked)
    assert result.exit_code == 0, result.output
    command = "mmv-search evaluate BUNDLE --protocol esc50 --data DIR --split 1 --windows 1"
    assert f"Written by `{command}`" in result.output
    assert "WARNING: 1 of 3 of fold 1, training (33.3%)" in result.output
    found = json.loads(out.with_suffix(".json").read_text())
    assert found["bundle"] == load_bundle(bundle).name
    assert found["fingerprint"] == load_bundle(bundle).fingerprint
    assert found["command"] == command
    assert [(f["name"], f["chance"]) for f in found["figures"]] == [("top-1, fold 1", 0.5)]
    assert found["coverage"][0]["missing"] == 1
    assert len(found["warnings"]) == 1
    page = out.with_suffix(".md").read_text()
    assert page.startswith(f"# {load_bundle(bundle).name}: ESC-50")
    assert "| top-1, fold 1 |" in page
    assert str(tmp_path) not in page
    assert len(list((tmp_path / "cache").iterdir())) == 2  # training and test


def test_every_protocol_answers_an_empty_folder_with_one_line(tmp_path: Path) -> None:
    for name in NAMES:
        assert failed_with(run(shipped_bundle_path(), "--protocol", name, "--data", tmp_path), "looked for"), name


def test_bad_input_is_answered_with_one_line(esc: Path, tmp_path: Path) -> None:
    bundle = shipped_bundle_path()
    assert failed_with(run(bundle, "--protocol", "ucf102", "--data", esc), "'ucf102' is not known; known are footage")
    assert failed_with(run(bundle, "--protocol", "esc50", "--data", tmp_path / "no"), "is not a folder")
    assert failed_with(run(bundle, "--protocol", "esc50", "--data", esc, "--split", 6), "split 6 is not one of 1 to 5")
    assert failed_with(run(bundle, "--protocol", "esc50", "--data", esc, "--windows", 0), "at least one")
    assert failed_with(run(bundle, "--protocol", "esc50", "--data", esc, "--svm-c", -1), "C is -1")
    assert failed_with(run(tmp_path, "--protocol", "esc50", "--data", esc), "is not a model bundle")
    silent = tiny_bundle.without_text(load_bundle(bundle), tmp_path / "silent").path
    text(tmp_path / "vtt" / "MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence", "ret0,m,video7020,a door")
    assert failed_with(run(silent, "--protocol", "msrvtt", "--data", tmp_path / "vtt"), "has no text encoder")


def test_the_command_is_told_without_the_paths_of_the_machine() -> None:
    assert command_of("voc07", Options()) == "mmv-search evaluate BUNDLE --protocol voc07 --data DIR"
    asked = command_of("voc07", Options(svm_c=0.001, image_paths=("naive",)))
    assert asked.endswith("--data DIR --svm-c 0.001 --image-path naive")
