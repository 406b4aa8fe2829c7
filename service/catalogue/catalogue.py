"""The catalogue as the rest of the service sees it."""

from sqlalchemy import select

from service.catalogue.audit import AuditQueries
from service.catalogue.engine import MOVING, RESTORING, CatalogueError, Database, make_engine, migrate
from service.catalogue.erasures import ErasureQueries
from service.catalogue.jobs import JobQueries
from service.catalogue.keys import KeyQueries
from service.catalogue.segments import SegmentQueries
from service.catalogue.subtitles import SubtitleQueries
from service.catalogue.swaps import SwapQueries
from service.catalogue.tables import LibraryRow
from service.catalogue.videos import VideoQueries
from service.settings import Settings


class Catalogue(
    VideoQueries, JobQueries, SegmentQueries, SubtitleQueries, SwapQueries, KeyQueries, AuditQueries, ErasureQueries
):
    """One per process, shared by its threads. Every method is one transaction and returns plain values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def library_id(self) -> str:
        """A random name, given once and for good: libraries that share a Redis are told apart by it."""
        with self._database.read() as session:
            return session.execute(select(LibraryRow.id)).scalar_one()

    def close(self) -> None:
        """Closes the connections."""
        self._database.engine.dispose()


def open_catalogue(settings: Settings) -> Catalogue:
    """Opens the catalogue, bringing its schema up to date. Raises CatalogueError."""
    if (settings.home / RESTORING / MOVING).exists():
        raise CatalogueError(f"A restore into {settings.home} was interrupted: run `mmv-search restore` again.")
    if settings.database_url is None:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = make_engine(settings.effective_database_url)
    migrate(engine)
    return Catalogue(Database(engine))
