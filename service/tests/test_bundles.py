"""Promoted bundles: copied whole into the home, pointed to in one step, and what is said when one is gone."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.bundle import MANIFEST, Bundle, BundleError, load_bundle, shipped_bundle_path
from models.tests import media_samples
from service.bundles import bundle_folders, keep, point_to
from service.catalogue import Catalogue
from service.cli import app
from service.commands.common import told
from service.settings import Settings
from service.tests.test_cli import assert_one_line, run
from service.tests.test_upload import upload


@pytest.fixture
def folder(tiny: Bundle, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny.path, tmp_path / "folder"))
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "name": "My bundle / 1"}))
    return folder


def promote(folder: Path, settings: Settings) -> Bundle:
    """Keep a bundle in the home, and have the home name it."""
    kept = keep(folder, settings)
    point_to(kept, settings)
    return kept


def back_to_shipped(settings: Settings) -> Bundle:
    shipped = load_bundle(shipped_bundle_path())
    point_to(shipped, settings)
    return shipped


def test_a_promoted_bundle_outlives_its_folder_and_the_move_of_the_home(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    assert settings.bundle_path() == shipped_bundle_path()
    (folder / "notes.md").write_text("mine")
    kept = promote(folder, settings)
    shutil.rmtree(folder)
    assert settings.bundle_path() == kept.path == settings.bundles_dir / f"My-bundle-1-{kept.fingerprint[:12]}"
    assert {path.name for path in kept.path.iterdir()} == {*kept.files, MANIFEST}
    assert [path.name for path in settings.bundles_dir.iterdir()] == [kept.path.name]
    moved = Settings(home=tmp_path / "moved")
    shutil.copytree(settings.home, moved.home)
    assert moved.bundle_path() == moved.bundles_dir / kept.path.name
    assert Settings(home=settings.home, bundle=tmp_path).bundle_path() == tmp_path
    assert back_to_shipped(settings).path == settings.bundle_path() == shipped_bundle_path()
    assert kept.path in bundle_folders(settings)


def test_what_is_there_already_is_used_again_unless_it_is_damaged_or_tells_less(
    folder: Path, settings: Settings
) -> None:
    kept = promote(folder, settings)
    before = (kept.path / "video.onnx").stat().st_ino
    assert promote(folder, settings).path == kept.path
    assert (kept.path / "video.onnx").stat().st_ino == before
    (kept.path / "video.onnx").write_bytes(b"damaged")
    assert promote(folder, settings).path == kept.path
    assert (kept.path / "video.onnx").read_bytes() == (folder / "video.onnx").read_bytes()
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "metrics": {"recall": 1}}))
    assert promote(folder, settings).metrics == {"recall": 1}
    assert [path.name for path in settings.bundles_dir.iterdir()] == [kept.path.name]


def test_a_damaged_bundle_is_not_promoted(folder: Path, settings: Settings) -> None:
    (folder / "audio.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"audio\.onnx"):
        promote(folder, settings)
    assert settings.bundle_path() == shipped_bundle_path()
    assert not settings.bundles_dir.exists()


def test_a_copy_that_fails_leaves_the_bundle_that_was_active(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        promote(folder, settings)
    assert list(settings.bundles_dir.iterdir()) == []
    assert settings.bundle_path() == shipped_bundle_path()


@pytest.mark.parametrize("said", ["gone-0123456789ab\n", "", "../folder", "/", "\xff"])
def test_a_pointer_to_nothing_is_told_with_the_way_back(settings: Settings, said: str) -> None:
    settings.active_bundle_file.write_text(said, encoding="latin-1")
    with pytest.raises(BundleError, match="--shipped") as caught:
        settings.bundle_path()
    assert str(settings.active_bundle_file) in str(caught.value)
    assert back_to_shipped(settings).path == settings.bundle_path()


def said(*arguments: str | Path, home: Path) -> str:
    """What a command says when all is well, on both streams; in this process, since starting one takes long."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--home", str(home)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refusal(*arguments: str | Path, home: Path) -> str:
    """The one line with which a command fails."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--home", str(home)])
    assert result.exception is not None
    line = told(result.exception)
    assert line is not None, repr(result.exception)
    return line


def test_at_rest_a_library_waits_with_the_switch_until_it_is_served_unless_told_otherwise(
    folder: Path, tmp_path: Path, settings: Settings, library: Catalogue
) -> None:
    home = settings.home
    film = media_samples.silent_film(tmp_path / "film.mp4", 1, 2.0)
    video, job, _ = upload(film, settings, library)
    library.claim_job(job.id, "earlier")
    library.store_segments(video.id, "another bundle", [])
    library.finish_job(job.id, "earlier")
    promoted = said("bundle", "promote", folder, home=home)
    assert promoted.startswith("My bundle / 1 (")
    assert "by the next `mmv-search serve`" in promoted
    candidate = library.candidate()
    assert candidate is not None
    assert (candidate.bundle_name, candidate.state) == ("My bundle / 1", "embedding")
    assert library.served() == library.begin_serving("", "", None, None)
    assert "promote of My bundle / 1: embedding" in said("index", "status", home=home)
    said("index", "discard", home=home)

    assert "1 video is embedded with it at the next start" in said("bundle", "promote", folder, "--at-once", home=home)
    lines = said("bundle", "list", home=home).splitlines()
    assert [line[0] for line in lines if "My bundle / 1" in line] == ["*"]
    assert [line[0] for line in lines if "freedoom" in line] == [" "]
    assert '"seed": 0' in said("bundle", "show", home=home).replace("'", '"')
    assert "window_s" in said("bundle", "show", "My bundle / 1", home=home)
    assert "searched again: freedoom" in said("bundle", "rollback", home=home)
    assert settings.bundle_path() == shipped_bundle_path()
    assert "searched again: My bundle / 1" in said("bundle", "rollback", home=home)
    assert "No index generation" in refusal("index", "rollback", home=home)
    assert "waits to be confirmed" in refusal("index", "confirm", home=home)
    done = ["bundle.promoted", "index.discarded", "bundle.promoted", "bundle.rolled_back", "bundle.rolled_back"]
    entries = library.audit()[0][::-1]
    assert [(entry.actor, entry.action) for entry in entries] == [("command line", action) for action in done]


def test_a_bundle_that_is_gone_is_told_with_the_way_back(folder: Path, settings: Settings, library: Catalogue) -> None:
    home = settings.home
    said("bundle", "promote", folder, home=home)  # an empty library: at once
    served = library.served()
    assert served is not None
    assert served.bundle_name == "My bundle / 1"
    shutil.rmtree(settings.bundle_path())
    for command in (("bundle", "list"), ("bundle", "show")):
        assert "--shipped" in refusal(*command, home=home)
    assert_one_line(run("serve", home=home), str(settings.bundles_dir), "--shipped")
    said("bundle", "promote", "--shipped", home=home)
    said("bundle", "show", home=home)
    assert "--shipped" in refusal("bundle", "promote", home=home)
    assert MANIFEST in refusal("bundle", "promote", home / "nowhere", home=home)
