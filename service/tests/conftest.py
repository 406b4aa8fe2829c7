"""Fixtures of the service's tests: the real bundle, real media, short private homes."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from models.bundle import Bundle, load_bundle
from models.runtime import Encoders
from models.tests import media_samples, tiny_bundle
from service.app import create_app
from service.catalogue import Catalogue, open_catalogue
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.supervisor import listen
from service.tests.postgres import empty_postgres_url, postgres_server, postgres_template, postgres_url
from service.tests.zygote import zygote

__all__ = ["empty_postgres_url", "postgres_server", "postgres_template", "postgres_url", "zygote"]

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the command line remembers of files it hashed goes nowhere else."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Settings of an empty library; its path is short enough for a socket, as pytest's own folders may not be."""
    home = Path(tempfile.mkdtemp(prefix="mmv-"))
    prepared = Settings(home=home)
    prepared.prepare_home()
    yield prepared
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=DATABASES)
def any_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of an empty library with its catalogue in SQLite, and then in PostgreSQL."""
    if request.param == "sqlite":
        return settings
    return settings.model_copy(update={"database_url": request.getfixturevalue("postgres_url")})


@pytest.fixture
def any_library(any_settings: Settings) -> Iterator[Catalogue]:
    """The catalogue of `any_settings`."""
    catalogue = open_catalogue(any_settings)
    yield catalogue
    catalogue.close()


@pytest.fixture
def library(settings: Settings) -> Iterator[Catalogue]:
    """The catalogue of `settings`."""
    catalogue = open_catalogue(settings)
    yield catalogue
    catalogue.close()


@pytest.fixture
def service(settings: Settings) -> Iterator[int]:
    """The port of a real service; it has no worker."""
    redis = EmbeddedRedis(settings.redis_dir)
    redis.start()
    listener = listen("127.0.0.1", 0)
    app = create_app(settings.model_copy(update={"redis_url": redis.url}))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    redis.stop()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of a very small network, with random weights."""
    return tiny_bundle.export(tmp_path_factory.mktemp("tiny") / "tiny", name="tiny")


@pytest.fixture(scope="session")
def other(tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """As `tiny`, with other weights."""
    return tiny_bundle.with_other_weights(tiny, tmp_path_factory.mktemp("other") / "other", "other")


@pytest.fixture(scope="session")
def encoders() -> Encoders:
    """The encoders of the bundle in use."""
    return Encoders(load_bundle(Settings().bundle_path()))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of media files, good and bad."""
    folder = tmp_path_factory.mktemp("samples")
    media_samples.film(folder / "film.mp4", 1, 8.0)
    media_samples.film(folder / "long.mp4", 2, 90.0)
    media_samples.film(folder / "short.mp4", 3, 1.0)
    media_samples.silent_film(folder / "silent.mp4", 4, 5.0)
    for suffix in ("wav", "mp3", "flac"):
        media_samples.sound_file(folder / f"sound.{suffix}", 5, 6.0)
    media_samples.sound_with_cover(folder / "cover.mp3", 5, 6.0)
    media_samples.still(folder / "still.png", 1)
    media_samples.truncated_film(folder / "truncated.mp4")
    media_samples.text_named_mp4(folder / "text.mp4")
    media_samples.empty_file(folder / "empty.mp4")
    return folder
