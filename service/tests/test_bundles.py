"""Promoted bundles: copied whole into the home, pointed to in one step, and what is said when one is gone."""

import json
import os
import shutil
from pathlib import Path

import pytest

from models.bundle import MANIFEST, Bundle, BundleError, shipped_bundle_path
from models.tests import media_samples, tiny_bundle
from service.bundles import back_to_shipped, bundle_folders, promote
from service.catalogue import Catalogue
from service.settings import Settings
from service.tests.test_cli import assert_one_line, run
from service.tests.test_upload import upload


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle.export(tmp_path_factory.mktemp("bundles") / "tiny", name="My bundle / 1")


@pytest.fixture
def folder(whole: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.path, tmp_path / "folder"))


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


def test_the_commands_promote_list_show_and_go_back(
    folder: Path, tmp_path: Path, settings: Settings, library: Catalogue
) -> None:
    home = settings.home
    film = media_samples.silent_film(tmp_path / "film.mp4", 1, 2.0)
    video, job, _ = upload(film, settings, library)
    library.claim_job(job.id, "earlier")
    library.store_segments(video.id, "another bundle", [])
    library.finish_job(job.id, "earlier")
    told = run("bundle", "promote", folder, "--home", home)
    assert (told.returncode, told.stderr) == (
        0,
        "1 video is then embedded anew; each can be found as soon as that is done.\n",
    )
    assert told.stdout.startswith("My bundle / 1 (")
    lines = run("bundle", "list", home=home).stdout.splitlines()
    assert [line[0] for line in lines if "My bundle / 1" in line] == ["*"]
    assert [line[0] for line in lines if "freedoom" in line] == [" "]
    assert '"seed": 0' in run("bundle", "show", home=home).stdout.replace("'", '"')
    assert "window_s" in run("bundle", "show", "My bundle / 1", home=home).stdout
    shutil.rmtree(settings.bundle_path())
    for command in (("bundle", "list"), ("bundle", "show"), ("serve",), ("index", "status")):
        assert_one_line(run(*command, home=home), str(settings.active_bundle_file), "--shipped")
    assert run("bundle", "promote", "--shipped", home=home).returncode == 0
    assert run("bundle", "show", home=home).returncode == 0
    assert_one_line(run("bundle", "promote", home=home), "--shipped")
    assert_one_line(run("bundle", "promote", tmp_path / "nowhere", home=home), "nowhere", MANIFEST)
