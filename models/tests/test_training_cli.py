"""The training commands, as a person calls them: what bad input is answered with, and that verify tells the truth."""

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from models.bundle import shipped_bundle_path
from models.training.cli import register

CONFIG = Path(__file__).parents[1] / "training" / "configs" / "freedoom-fac-small.yaml"


def run(*arguments: object) -> Result:
    """One command line, in this process."""
    app, bundles = typer.Typer(), typer.Typer()
    app.add_typer(bundles, name="bundle")
    register(app, bundles)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def failed_with(result: Result, message: str) -> bool:
    """Whether it ended with status 1 and one line of error, no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.output.count("error:") == 1
    return message in result.output


def test_a_folder_without_clips_is_told_how_to_get_some(tmp_path: Path) -> None:
    result = run("train", CONFIG, "--data", tmp_path, "--out", tmp_path / "run")
    assert failed_with(result, "mmv-search footage --out")


def test_a_mistake_in_the_configuration_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(CONFIG.read_text().replace("frames: 8", "frams: 8"))
    assert failed_with(run("train", wrong, "--data", tmp_path, "--out", tmp_path), "unknown key inputs.frams")


@pytest.mark.parametrize("command", ["deflate", "export"])
def test_a_run_that_is_not_there_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    out = () if command == "deflate" else ("--out", tmp_path / "bundle")
    assert failed_with(run(command, tmp_path / "nothing", "--data", tmp_path, *out), "nothing")


def test_the_shipped_bundle_is_verified_against_pytorch() -> None:
    result = run("bundle", "verify", shipped_bundle_path())
    assert result.exit_code == 0, result.output
    for modality in ("video", "image", "audio", "text"):
        assert f"{modality}: " in result.output
    assert "equal to PyTorch within 0.0001" in result.output


def test_a_damaged_bundle_is_not_verified(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(shipped_bundle_path(), tmp_path / "copy"))
    with (copy / "text.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    assert failed_with(run("bundle", "verify", copy), "text.onnx does not have the sha256")


def test_what_is_missing_is_named_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Square brackets are markup to the console; the extra's name must survive it."""
    import builtins

    real = builtins.__import__

    def without_torch(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("models.training.trainer"):
            raise ImportError("No module named 'torch'", name="torch")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    (tmp_path / "manifest.jsonl").write_text("")
    monkeypatch.setattr(builtins, "__import__", without_torch)
    result = run("train", CONFIG, "--data", tmp_path, "--out", tmp_path / "run")
    assert failed_with(result, "pip install 'mmv-search[train]'")
