"""A library of an earlier version is brought up to date with all that is in it, and down again, on both databases."""

from datetime import UTC, datetime

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from service.catalogue import open_catalogue
from service.catalogue.engine import MIGRATIONS, make_engine
from service.settings import Settings

VECTOR = np.arange(6, dtype="<f2").reshape(2, 3)


def migrate_to(engine: Engine, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(mmv_write=True).begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


@pytest.fixture(params=["sqlite", "postgresql"])
def old_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """A home whose database has no table yet."""
    if request.param == "sqlite":
        return settings
    return settings.model_copy(update={"database_url": request.getfixturevalue("empty_postgres_url")})


def fill(engine: Engine) -> str:
    """What a service of revision 0002 wrote: a film, its job, two segments; the library's id."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)
    with engine.execution_options(mmv_write=True).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO videos (id, sha256, filename, title, size_bytes, duration_s, width, height, has_video, "
                "has_audio, status, problem, created_at) VALUES ('v_1', :sha, 'f.mp4', 'Film', 5000000000, 2.5, 64, "
                "48, :yes, :no, 'ready', NULL, :now)"
            ),
            {"sha": "1" * 64, "now": now, "yes": True, "no": False},
        )
        connection.execute(text("INSERT INTO video_tags (video_id, position, tag) VALUES ('v_1', 0, 'a')"))
        connection.execute(
            text(
                "INSERT INTO jobs (id, kind, video_id, payload, status, progress, stage, attempts, created_at, "
                "finished_at) VALUES ('j_1', 'ingest', 'v_1', '{}', 'done', 1, 'done', 1, :now, :now)"
            ),
            {"now": now},
        )
        for ordinal in (0, 1):
            segment_id = connection.execute(
                text(
                    "INSERT INTO segments (video_id, bundle, ordinal, start_s, end_s) "
                    "VALUES ('v_1', 'b', :o, :o, :o + 1) RETURNING id"
                ),
                {"o": ordinal},
            ).scalar_one()
            connection.execute(
                text("INSERT INTO vectors VALUES (:id, 'visual', 'fine', 3, :data)"),
                {"id": segment_id, "data": VECTOR.tobytes()},
            )
        connection.execute(text("UPDATE revision SET value = 1"))
        connection.execute(text("INSERT INTO changes VALUES (1, 'add', 'v_1', 'b', '[1, 2]')"))
        return str(connection.execute(text("SELECT id FROM library")).scalar_one())


def test_a_library_of_revision_0002_is_brought_up_to_date_with_its_data(old_settings: Settings) -> None:
    engine = make_engine(old_settings.effective_database_url)
    migrate_to(engine, "0002")
    library_id = fill(engine)
    engine.dispose()
    catalogue = open_catalogue(old_settings)
    assert catalogue.library_id() == library_id
    video = catalogue.video("v_1")
    assert video is not None
    assert (video.title, video.tags, video.size_bytes, video.status) == ("Film", ["a"], 5_000_000_000, "ready")
    assert video.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    job = catalogue.job("j_1")
    assert job is not None
    assert job.status == "done"
    assert catalogue.segment_ids("b") == [1, 2]
    assert [vectors.tobytes() for _, _, _, vectors in catalogue.vectors("b")] == [VECTOR.tobytes()] * 2
    assert [change.segment_ids for change in catalogue.changes_since(0)] == [[1, 2]]
    assert catalogue.delete_video("v_1")
    erasure = catalogue.erasure("v_1")
    assert erasure is not None
    assert erasure.segment_ids == (1, 2)
    catalogue.close()


def test_a_library_can_be_taken_down_to_revision_0002_and_up_again(old_settings: Settings) -> None:
    engine = make_engine(old_settings.effective_database_url)
    migrate_to(engine, "0002")
    library_id = fill(engine)
    migrate_to(engine, "head")
    migrate_to(engine, "0002", down=True)
    migrate_to(engine, "head")
    engine.dispose()
    catalogue = open_catalogue(old_settings)
    assert catalogue.library_id() == library_id
    assert catalogue.segment_ids("b") == [1, 2]
    catalogue.close()
