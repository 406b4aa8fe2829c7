"""Shards: what goes in comes out, by our index and by WebDataset's own reader."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset  # type: ignore[import-untyped]
from typer.testing import CliRunner

from models.tests import media_samples, tiny
from models.training.data import build_shards as building
from models.training.data.build_shards import build_shards
from models.training.data.decode import opened
from models.training.data.decoder import Decoder
from models.training.data.reader import Picks
from models.training.data.sample import DataError, Source
from models.training.data.sources import open_source
from models.training.data.sources.shards import index_of
from models.training.shards_cli import shards

SRT = "1\n00:00:00,500 --> 00:00:01,500\nfirst words\n\n2\n00:00:03,000 --> 00:00:03,500\nlast words\n"
SMALL = 1  # byte: every video has a shard of its own


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("films")
    media_samples.film(folder / "a.mp4", 1, 4.0)
    (folder / "a.srt").write_text(SRT)
    media_samples.silent_film(folder / "b.mkv", 2, 2.0)
    media_samples.film(folder / "c.mp4", 3, 2.0)
    return open_source(folder, stretch_s=2.0)


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards")
    build_shards(source, out, 2**20)
    return out


def test_the_same_items_and_the_same_bytes_come_back(source: Source, built: Path) -> None:
    back = open_source(built)
    assert back.fingerprint == source.fingerprint
    assert [(i.id, i.start_s, i.duration_s, i.has_audio, i.narrations) for i in back.items] == [
        (i.id, i.start_s, i.duration_s, i.has_audio, i.narrations) for i in source.items
    ]
    for ours, theirs in zip(back.items, source.items, strict=True):
        with opened(ours) as video:
            assert video.read() == Path(theirs.path).read_bytes()


def test_a_window_out_of_a_shard_is_that_of_the_film(source: Source, built: Path) -> None:
    rows = np.arange(4)
    picks = Picks(rows, np.array([1, 2, 0, 0]), np.array([0.2, 0.4, 0.0, 0.0]))
    seen = []
    for data in (source, open_source(built)):
        reader = Decoder(data, 0.125, 1)
        seen.append(reader.read(picks, tiny.INPUTS))
        reader.close()
    assert np.array_equal(seen[0].frames, seen[1].frames)
    assert np.array_equal(seen[0].sound, seen[1].sound)
    assert seen[1].has_sound.tolist() == [True, True, False, True]


def test_webdatasets_reader_reads_them(source: Source, built: Path) -> None:
    found = list(webdataset.WebDataset([str(p) for p in sorted(built.glob("*.tar"))], shardshuffle=False))
    assert [f["__key__"] for f in found] == ["00000000", "00000001", "00000002"]
    assert found[0]["mp4"] == Path(source.items[0].path).read_bytes()
    assert json.loads(found[0]["json"])["items"][1]["narrations"][0]["text"] == "last words"


def test_shards_without_our_index_are_walked_through(source: Source, built: Path, tmp_path: Path) -> None:
    for shard in built.glob("*.tar"):
        (tmp_path / shard.name).write_bytes(shard.read_bytes())
    assert open_source(tmp_path).items[0].narrations == source.items[0].narrations


def test_shards_of_others_have_captions_in_json_or_text(source: Source, tmp_path: Path) -> None:
    video = Path(source.items[0].path).read_bytes()
    members = [
        ("part/one.mp4", video),
        ("part/one.json", b'{"caption": "a caption", "duration": 4.0}'),
        ("part/two.mp4", video),
        ("part/two.txt", b"plain text"),
        ("part/three.mp4", b"broken"),
        ("part/four.jpg", b"no video"),
    ]
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    found = open_source(tmp_path / "x.tar")
    assert [(i.file, i.narrations[0].text, i.narrations[0].end_s) for i in found.items] == [
        ("x.tar/part/one.mp4", "a caption", 4.0),
        ("x.tar/part/two.mp4", "plain text", pytest.approx(4.0, abs=0.1)),
    ]
    assert found.skipped == {"unreadable": 1}


def test_building_goes_on_where_it_was_interrupted(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = building._write
    written: list[str] = []

    def power_cut(shard: Path, chosen: list) -> None:
        if len(written) == 2:
            shard.with_suffix(".tmp").write_bytes(b"half a shard")
            raise KeyboardInterrupt
        written.append(shard.name)
        real(shard, chosen)

    monkeypatch.setattr(building, "_write", power_cut)
    with pytest.raises(KeyboardInterrupt):
        build_shards(source, tmp_path, SMALL)
    with pytest.raises(DataError, match="is not finished"):
        open_source(tmp_path)
    index_of(tmp_path / "000001.tar").unlink()  # as if cut off between a shard and its index

    def noted(shard: Path, chosen: list) -> None:
        written.append(shard.name)
        real(shard, chosen)

    monkeypatch.setattr(building, "_write", noted)
    build_shards(source, tmp_path, SMALL)
    assert written == ["000000.tar", "000001.tar", "000002.tar"]
    assert len(open_source(tmp_path).items) == len(source.items)
    whole = tmp_path / "whole"
    build_shards(source, whole, SMALL)
    for shard in whole.glob("*.tar"):
        assert (tmp_path / shard.name).read_bytes() == shard.read_bytes()


def test_shards_of_other_data_are_not_mixed_in(source: Source, built: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="other data, or of another size"):
        build_shards(source, built, SMALL)
    (tmp_path / "theirs.tar").touch()
    with pytest.raises(DataError, match="not of this command"):
        build_shards(source, tmp_path, SMALL)


def test_a_shard_that_was_cut_off_is_named(built: Path, tmp_path: Path) -> None:
    for file in built.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = next(tmp_path.glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"000000.tar is cut off"):
        open_source(tmp_path)
    index_of(shard).unlink()
    with pytest.raises(DataError, match=r"000000.tar is damaged or cut off"):
        open_source(tmp_path)


def test_the_command_tells_what_it_wrote(source: Source, tmp_path: Path) -> None:
    result = CliRunner().invoke(shards, ["build", str(source.folder), "--out", str(tmp_path), "--stretch-s", "2"])
    assert result.exit_code == 0, result.output
    assert "1 shards" in result.output
    result = CliRunner().invoke(shards, ["build", str(tmp_path / "nowhere"), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is no" in result.output
