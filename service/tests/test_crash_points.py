"""SIGKILL at every named point, on SQLite and PostgreSQL: old or new afterwards, nothing lost, doubled or left over.

Each test has a library of its own with two films. A process does something in it and is killed at a point; another one
starts the service again, does what it finds to do, and looks whether all is in order and as it was before or as it is
to be after. If it is as before, it does the same thing again, which must come to the end that it always comes to.
"""

import ast
import json
import os
import queue
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from index.generation import STEPS
from models.tests import media_samples
from service.catalogue.engine import make_engine
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests import plain_bundle
from service.tests.conftest import DATABASES
from service.tests.crashing import CLIPS, NEW, OLD, SILENCE, THIRD
from service.tests.postgres import PostgresServer
from service.tests.zygote import Call, Zygote

ROOT = Path(__file__).parent.parent.parent
CRASHING = "service.tests.crashing"
WITHIN_S = 250.0

# point -> what is done that comes there.
POINTS: dict[str, str] = {
    "upload.received": "upload",
    "upload.probed": "upload",
    "upload.stored": "upload",
    "upload.recorded": "upload",
    "upload.queued": "upload",
    "upload.announced": "resumable",
    "upload.created": "resumable",
    "upload.appended": "resumable",
    "upload.complete": "resumable",
    "upload.ended": "resumable",
    "ingest.claimed": "ingest",
    "ingest.part_stored": "ingest",
    "ingest.pictures_stored": "ingest",
    "ingest.stored": "ingest",
    "ingest.put_back": "hiccup",
    "ingest.set_aside": "poison",
    "rebuild.started": "rebuild",
    "rebuild.held": "hold",
    "rebuild.built": "rebuild",
    "rebuild.checked": "rebuild",
    "rebuild.compared": "rebuild",
    "rebuild.closing": "rebuild",
    "rebuild.switched": "rebuild",
    "rebuild.settled": "rebuild",
    **{f"snapshot.{step}": "rebuild" for step in STEPS},
    "promote.copied": "copy_bundle",
    "promote.collected": "promote_third",
    "promote.requested": "promote",
    "promote.started": "promote",
    "promote.stored": "promote",
    "promote.embedded": "promote",
    "promote.built": "promote",
    "promote.checked": "promote",
    "promote.compared": "promote",
    "promote.closing": "promote",
    "promote.switched": "promote",
    "promote.settled": "promote",
    "promote.rolled_back": "roll_back",
    "delete.recorded": "delete",
    "delete.media_removed": "delete",
    "delete.files_removed": "delete",
    "delete.generation_replaced": "delete",
    "delete.vectors_removed": "delete",
    "delete.cache_cleared": "delete",
    "delete.scrubbed": "delete",
    "delete.completed": "delete",
    "backup.catalogue_copied": "backup",
    "backup.films_copied": "backup",
    "backup.objects_complete": "backup",
    "backup.manifest_written": "backup",
    "restore.gathered": "restore",
    "restore.announced": "restore",
    "restore.old_aside": "restore",
    "restore.one_moved": "restore",
    "restore.moved": "restore",
}
# Points in the sources that are not reached by these actions, with the test that kills there.
ELSEWHERE: dict[str, str] = {
    "promote.held": "the same line as rebuild.held",
}
# What has to be done before.
BEFORE = {"restore": "backup", "roll_back": "promote", "promote_third": "promote_both"}
# What comes out of it is what comes out of another.
LIKE = {"hiccup": "ingest", "upload": "ingest", "resumable": "ingest", "backup": "", "restore": "", "hold": "rebuild"}
ACTIONS = sorted({LIKE.get(action, action) for action in {*POINTS.values(), *BEFORE.values()}} - {""})


@dataclass(frozen=True)
class World:
    """The library that every test begins with, on one database, and how to get one of one's own."""

    home: Path
    materials: Path
    redis_url: str
    database: str | None
    server: PostgresServer | None

    @property
    def kind(self) -> str:
        return "sqlite" if self.server is None else "postgresql"

    def given(self, home: Path, database: str | None) -> dict[str, Any]:
        settings = {"home": str(home), "redis_url": self.redis_url, "embed_threads": 1, "checkpoint_s": 0, "retry_s": 0}
        if database is not None and self.server is not None:
            settings["database_url"] = self.server.url(database)
        return settings

    def copy(self, number: int) -> tuple[dict[str, Any], Path, str | None]:
        """Settings of a library of one's own, its folder, and its database in the server if it has one."""
        folder = Path(tempfile.mkdtemp(prefix="mmv-crash-"))
        shutil.copytree(self.home, folder / "home")
        database = None
        if self.server is not None and self.database is not None:
            database = self.server.create(self.database)
        given = self.given(folder / "home", database)
        engine = make_engine(Settings(**given).effective_database_url)
        with engine.execution_options(mmv_write=True).begin() as connection:  # all share one Redis
            connection.execute(text("UPDATE library SET id = :id"), {"id": f"crash-{number}"})
        engine.dispose()
        return given, folder, database

    def remove(self, folder: Path, database: str | None) -> None:
        shutil.rmtree(folder)
        if self.server is not None and database is not None:
            self.server.drop(database)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="mmv-redis-"))
    server = EmbeddedRedis(folder)
    server.start()
    yield server.url
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short films and two bundles."""
    folder = tmp_path_factory.mktemp("materials")
    for seed, clip in enumerate(CLIPS):
        media_samples.film(folder / clip, seed, 2.0, fps=8)
    media_samples.sound_file(folder / SILENCE, wave=np.zeros(16_000, np.float32))
    for seed, name in enumerate((OLD, NEW, THIRD)):
        plain_bundle.make(folder / name, name, seed)
    return folder


@pytest.fixture(scope="module", params=DATABASES)
def world(
    request: pytest.FixtureRequest,
    zygote: Zygote,
    redis_url: str,
    materials: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    server: PostgresServer | None = None
    database = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        database = server.create(request.getfixturevalue("postgres_template"))
    world = World(tmp_path_factory.mktemp("world") / "home", materials, redis_url, database, server)
    given = world.given(world.home, database)
    (made,) = zygote.run(Call(CRASHING, "make_world", [given, str(materials), [OLD, NEW]]), within_s=WITHIN_S)
    made.checked()
    return world


@pytest.fixture(scope="module")
def expected(world: World, zygote: Zygote) -> dict[str, dict[str, Any]]:
    """What the library is before, under "", and after each action when nothing is killed."""
    states = {}
    for number, action in enumerate(["", *ACTIONS]):
        given, folder, database = world.copy(1000 + number)
        if action == "":
            (ended,) = zygote.run(Call(CRASHING, "state_of", [given]), within_s=WITHIN_S)
            states[action] = ended.checked()
        else:
            prepare(zygote, given, action, world)
            arguments = [given, action, str(world.materials), None]
            (ended,) = zygote.run(Call(CRASHING, "start_again", arguments), within_s=WITHIN_S)
            states[action] = ended.checked()["after_again"]
        world.remove(folder, database)
    return states | {action: states[other] for action, other in LIKE.items()}


@pytest.fixture(scope="module")
def killed(
    request: pytest.FixtureRequest, world: World, expected: dict[str, dict[str, Any]]
) -> Iterator[Callable[[str], "Future[None]"]]:
    """Every chosen test of this world, under way: as many at once as there are processors."""
    chosen = [
        str(item.callspec.params["point"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == test_killed_there_the_next_start_is_clean.__name__
        and item.callspec.params["world"] == world.kind
    ]
    zygotes: queue.Queue[Zygote] = queue.Queue()
    started = [Zygote() for _ in range(min(2, os.cpu_count() or 1))]
    for each in started:
        zygotes.put(each)

    def run(point: str) -> None:
        zygote = zygotes.get()
        try:
            kill_and_start_again(world, expected, zygote, point)
        finally:
            zygotes.put(zygote)

    with ThreadPoolExecutor(len(started)) as pool:
        # Where several processes share the tests, each begins with its own when it comes to them.
        ahead = [] if "PYTEST_XDIST_WORKER" in os.environ else chosen
        under_way = {point: pool.submit(run, point) for point in ahead}
        yield lambda point: under_way.get(point) or pool.submit(run, point)
        pool.shutdown(cancel_futures=True)
    for each in started:
        each.close()


@pytest.mark.parametrize("point", sorted(POINTS))
def test_killed_there_the_next_start_is_clean(killed: Callable[[str], "Future[None]"], point: str) -> None:
    killed(point).result()


def kill_and_start_again(world: World, expected: dict[str, dict[str, Any]], zygote: Zygote, point: str) -> None:
    """Raises AssertionError when anything is not as the module says."""
    action = POINTS[point]
    given, folder, database = world.copy(sorted(POINTS).index(point))
    arguments = [given, action, str(world.materials)]
    prepare(zygote, given, action, world)
    (killed,) = zygote.run(Call(CRASHING, "act", arguments, {"MMV_CRASH_AT": point}), within_s=WITHIN_S)
    assert killed.killed, f"it did not die at {point}: {killed.status} {killed.error}"
    (again,) = zygote.run(Call(CRASHING, "start_again", [*arguments, expected[action]]), within_s=WITHIN_S)
    found = again.checked()
    before = expected[BEFORE.get(action, "")]
    assert found["after_start"] in (before, expected[action]), _told(found, expected, action)
    assert found["after_again"] == expected[action], _told(found, expected, action)
    world.remove(folder, database)


def prepare(zygote: Zygote, given: dict[str, Any], action: str, world: World) -> None:
    """What the action needs to have been done."""
    if action in BEFORE:
        (done,) = zygote.run(Call(CRASHING, "act", [given, BEFORE[action], str(world.materials)]), within_s=WITHIN_S)
        done.checked()


def _told(found: dict[str, Any], expected: dict[str, Any], action: str) -> str:
    return json.dumps({"found": found, "old": expected[""], "new": expected[action]}, indent=1)


def test_every_point_in_the_sources_is_tested() -> None:
    tested = POINTS.keys() | ELSEWHERE.keys()
    assert _points_in_the_sources() == tested
    assert len(POINTS) >= 25


def _points_in_the_sources() -> set[str]:
    """First arguments of all calls of `crash_point`; an f-string stands for all that it can be."""
    found: set[str] = set()
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "index").rglob("*.py")]:
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crash_point":
                found |= _names(node.args[0])
    return found


def _names(argument: ast.expr) -> set[str]:
    if isinstance(argument, ast.Constant):
        return {str(argument.value)}
    assert isinstance(argument, ast.JoinedStr), ast.dump(argument)
    whole = ast.unparse(argument)[2:-1]
    if whole.startswith("snapshot."):
        return {f"snapshot.{step}" for step in STEPS}
    assert whole.startswith("{job.kind}."), whole
    return {f"{kind}.{whole.partition('.')[2].partition('.')[2]}" for kind in ("promote", "rebuild")}
