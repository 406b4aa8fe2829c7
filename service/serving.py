"""What answers searches: one immutable pair of a model and an index generation, taken once for all of a request.

Which pair it is, the catalogue says (`catalogue/swaps.py`). Every process of a library looks there at least once in
`swap_poll_s` seconds; when it says another number, the process first loads all that belongs to it, beside what answers
meanwhile, and then puts one reference in the place of another. A request that took the old pair ends with it; when the
last one has, its sessions and mapped files are let go of.
"""

import logging
import threading
import weakref
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from models.bundle import Bundle, BundleError
from models.runtime import Encoders
from service.catalogue import Catalogue
from service.catalogue.records import Served
from service.library_view import LibraryView
from service.memory import give_back_memory
from service.model_pool import REST_AFTER_S, ModelPool
from service.nudges import Nudges
from service.result_cache import ResultCache
from service.search import Searcher
from service.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """A model with its index: what a search answers with."""

    number: int
    encoders: Encoders
    library: LibraryView
    searcher: Searcher

    @property
    def bundle(self) -> Bundle:
        """The model bundle."""
        return self.encoders.bundle


class Servings:
    """Follows what the catalogue says. `current` never waits; `start` begins the following, `close` ends it."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        pool: ModelPool,
        cache: ResultCache | None = None,
        nudges: Nudges | None = None,
    ) -> None:
        """Loads what is served now. Raises BundleError when its bundle is not at hand."""
        self._settings, self._catalogue, self._pool, self._cache = settings, catalogue, pool, cache
        self._nudges = nudges
        self._over, self._freed = threading.Event(), threading.Event()
        self._looking = threading.Lock()
        # What cannot be followed, and why: nothing else is said of it until it changes.
        self._behind: str | None = None
        served = catalogue.served()
        assert served is not None, "`ensure_serving` comes first"
        self._said = served
        self._current = self._load(served, None)
        self._thread = threading.Thread(target=self._watch, name="serving", daemon=True)

    def current(self) -> Serving:
        """What answers now: take it once for all of a request."""
        return self._current

    @property
    def behind(self) -> str | None:
        """Why this process does not answer with what the catalogue says; None when it does."""
        return self._behind

    def look(self) -> bool:
        """Follows the catalogue now. Whether something else answers since."""
        with self._looking:
            followed = False
            while (served := self._catalogue.served()) is not None and served.number != self._said.number:
                try:
                    following = self._load(served, self._current)
                except (BundleError, OSError) as error:
                    if self._behind != str(error):
                        log.error("this process goes on answering with the old model: %s", error)
                    self._behind = str(error)
                    return followed
                newest = self._catalogue.served()
                if newest is not None and newest.number != served.number:
                    continue  # it changed while it was loaded: what was loaded may be gone already
                before, self._current, self._said, self._behind = self._current, following, served, None
                followed = True
                if before.library is not following.library:
                    name = following.library.generation or "no index generation"
                    log.info("searches are answered by %s with %s (%d)", following.bundle.name, name, served.number)
                    weakref.finalize(before, self._freed.set).atexit = False
            return followed

    def start(self) -> None:
        """Look from time to time, and when somebody says so, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._over.set()
        if self._nudges is not None:
            self._nudges.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _load(self, served: Served, now: Serving | None) -> Serving:
        """All that belongs to a pair; what of it is in use already is shared. Raises BundleError."""
        if now is not None and (self._said.bundle, self._said.generation) == (served.bundle, served.generation):
            return replace(now, number=served.number)  # only what is kept to go back to changed
        same = now is not None and now.bundle.fingerprint == served.bundle
        encoders = now.encoders if now is not None and same else self._pool.get(served.bundle, served.bundle_name)
        like = now.library if now is not None and same else None
        library = LibraryView(self._catalogue, served.bundle, self._settings.index_dir, served.generation, like=like)
        return Serving(served.number, encoders, library, Searcher(self._catalogue, library, encoders, self._cache))

    def _watch(self) -> None:
        poll_s = self._settings.swap_poll_s
        while not self._over.is_set():
            try:
                self.look()
                if self._current.encoders.rest(REST_AFTER_S):
                    give_back_memory()
            except SQLAlchemyError as error:  # busy, or away for a moment
                log.warning("cannot look for what is to be served: %s", error)
            except Exception:
                log.exception("what is to be served cannot be loaded; trying again")
            if self._freed.is_set():
                self._freed.clear()
                give_back_memory()
            if self._nudges is not None:
                self._nudges.wait(poll_s)
            else:
                self._over.wait(poll_s)
