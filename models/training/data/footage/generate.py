"""Makes a set of clips with several processes. Interrupted, it goes on where it stopped, to the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from models.training.data.footage.film import FilmSettings, Studios, film_clip
from models.training.data.footage.narrate import WORDING, narrate_clip
from models.training.data.footage.scenes import KINDS
from models.training.data.footage.studio import check_engine
from models.training.data.manifest import Clip, append, read_manifest, write_manifest
from models.training.data.splits import split_of
from models.training.data.workers import belong_to_parent

_TOLD = ("narration", "tracks")  # settings that change what is said alone, and so no video


class FootageError(Exception):
    """The set cannot be made; the message is one line for a person."""


def _settings_of(folder: Path, settings: FilmSettings) -> dict[str, Any]:
    """With what the folder's series of this seed is made; the wanted, when it is new.

    Raises FootageError when that series was made with other settings.
    """
    path = _settings_path(folder, settings.seed)
    wanted = {**asdict(settings), "maps": list(settings.maps), "kinds": list(settings.kinds), "narration": WORDING}
    if not path.exists():
        _write_settings(folder, wanted)
        return wanted
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found.setdefault("kinds", [])  # of before there was a choice
    found.setdefault("tracks", 1)
    changed = sorted(key for key in wanted if key not in _TOLD and found.get(key) != wanted[key])
    if changed:
        raise FootageError(f"{folder} holds clips made with another {', '.join(changed)}: choose another --out")
    return {**found, "narration": found.get("narration", 1)}


def _settings_path(folder: Path, seed: int) -> Path:
    """A folder can hold several series, each of its own seed."""
    old = folder / "footage.json"  # when a folder held one series
    if old.exists():
        old.replace(folder / f"footage-s{json.loads(old.read_text(encoding='utf-8'))['seed']}.json")
    return folder / f"footage-s{seed}.json"


def _write_settings(folder: Path, settings: dict[str, Any]) -> None:
    path = _settings_path(folder, settings["seed"])
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _index(clip: Clip) -> int:
    return int(clip.id.rpartition("-")[2])


def prepare(folder: Path, settings: FilmSettings) -> list[Clip]:
    """Rows of the series' clips that are there, in today's wording; what has no whole file or row is to be made again.

    A set narrated in another wording, or on more or fewer tracks, is told anew: its manifest then is the one that
    making it afresh gives, and its videos stay. Raises FootageError, ManifestError.
    """
    made = _settings_of(folder, settings)
    manifest = folder / "manifest.jsonl"
    rows = read_manifest(manifest, ignore_cut_line=True) if manifest.exists() else []
    kept = {row.id: row for row in rows if (folder / row.file).is_file()}
    for part in (folder / "clips").glob("*.part"):
        part.unlink()
    told = {"narration": WORDING, "tracks": settings.tracks}
    anew = any(made[key] != told[key] for key in _TOLD)
    if anew:
        kept |= {id: narrate_clip(row, settings.tracks) for id, row in kept.items() if row.seed == settings.seed}
    write_manifest(manifest, list(kept.values()))
    if anew:  # written last: a crash before it only tells the set anew again
        _write_settings(folder, {**made, **told})
    return [row for row in kept.values() if row.seed == settings.seed]


# One process's engines: opening one takes far longer than a clip.
_studios: Studios | None = None


def _start_worker() -> None:
    global _studios
    belong_to_parent()  # and a worker's engines to the worker (see studio.py)
    _studios = Studios()


def _work(settings: FilmSettings, index: int, folder: Path) -> Clip:
    assert _studios is not None, "the worker was not started"
    return film_clip(_studios, settings, index, folder)


def generate_footage(
    out: Path,
    clips: int,
    seed: int,
    maps: list[str],
    processes: int = 0,
    progress: Callable[[int, int], None] | None = None,
    *,
    crf: int = 26,
    audio_bit_rate: int = 64_000,
    kinds: tuple[str, ...] = (),
    tracks: int = 1,
) -> list[Clip]:
    """Make `out`/clips/*.mp4 and `out`/manifest.jsonl, sorted by id; returns the rows.

    Clip i depends on `seed`, i, the lists of maps and kinds and the two rates alone. A set told in older words is told
    anew. A folder may hold several series, of different seeds; the rows returned are this one's.
    Each clip is narrated `tracks` times.
    `processes`: 0 for one a core. `progress` is called with (clips there, clips wanted). Raises FootageError,
    EngineMissing, UnknownMap, NothingToFilm.
    """
    for name in maps:
        split_of(name)
    if unknown := set(kinds) - set(KINDS):
        raise FootageError(f"unknown kind {min(unknown)!r}: give some of {', '.join(KINDS)}")
    if clips < 0 or not maps:
        raise FootageError("nothing to make: give a number of clips and at least one map")
    check_engine()
    out = out.resolve()
    (out / "clips").mkdir(parents=True, exist_ok=True)
    settings = FilmSettings(seed, tuple(maps), crf, audio_bit_rate, kinds, tracks)
    rows = [row for row in prepare(out, settings) if _index(row) < clips]
    there = {_index(row) for row in rows}
    todo = [i for i in range(clips) if i not in there]
    report = progress or (lambda done, total: None)
    report(len(rows), clips)
    if todo:
        for row in _make(settings, todo, out, min(processes or os.cpu_count() or 1, len(todo))):
            append(out / "manifest.jsonl", row)
            rows.append(row)
            report(len(rows), clips)
    write_manifest(out / "manifest.jsonl", read_manifest(out / "manifest.jsonl"))
    return sorted(rows, key=lambda row: row.id)


def _make(settings: FilmSettings, todo: list[int], out: Path, processes: int) -> Iterator[Clip]:
    """Yield the clips' rows as they are finished. Ends the workers, and with them the engines, on any error."""
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_worker)
    waiting: set[Future[Clip]] = set()
    numbers = iter(todo)
    try:
        while True:
            # Few at a time: an interrupted run leaves few gaps, and a set of millions needs no memory.
            while len(waiting) < 3 * processes and (index := next(numbers, None)) is not None:
                waiting.add(pool.submit(_work, settings, index, out))
            if not waiting:
                break
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise FootageError("a worker process ended unexpectedly; run the same command again to go on") from error
    finally:
        workers = list((pool._processes or {}).values())
        pool.shutdown(wait=not waiting, cancel_futures=True)
        if waiting:
            for worker in workers:
                worker.kill()
