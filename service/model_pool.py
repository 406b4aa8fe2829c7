"""The encoders of a process by the fingerprint of their bundle: each loaded once, and gone when nobody holds them."""

import logging
import threading
import weakref

from models.bundle import Bundle, BundleError, load_bundle
from models.runtime import Encoders
from service.bundles import bundle_folders, ensure_serving
from service.catalogue import Catalogue
from service.catalogue.records import Served
from service.memory import give_back_memory
from service.settings import Settings

log = logging.getLogger(__name__)

# A process that has embedded nothing for so long gives the memory for it back; to take it again costs milliseconds.
REST_AFTER_S = 5.0


def find_bundle(settings: Settings, fingerprint: str, name: str = "") -> Bundle:
    """The bundle with this fingerprint among those at hand. Raises BundleError with the way out."""
    for folder in bundle_folders(settings):
        try:
            bundle = load_bundle(folder)
        except BundleError:
            continue  # damaged: it cannot be this one
        if bundle.fingerprint == fingerprint:
            return bundle
    raise BundleError(
        f"The library is searched with the bundle {name or 'with the fingerprint'} ({fingerprint[:12]}), which is "
        f"neither shipped nor whole in {settings.bundles_dir}. Promote it again (mmv-search bundle promote DIR), or go "
        "back to the shipped one: mmv-search bundle promote --shipped"
    )


def served_at_start(settings: Settings, catalogue: Catalogue) -> Served:
    """What a service that starts now would serve. Raises BundleError where that bundle is not at hand."""
    served = ensure_serving(settings, catalogue, starting=True)
    find_bundle(settings, served.bundle, served.bundle_name)
    return served


class ModelPool:
    """Encoders that are shared by all who ask for the same bundle. Thread-safe."""

    def __init__(self, settings: Settings, *, warm: bool = True) -> None:
        """`warm`: each encoder is loaded with its bundle, and not when it is first needed."""
        self._settings, self._warm = settings, warm
        self._lock = threading.Lock()
        self._held: weakref.WeakValueDictionary[str, Encoders] = weakref.WeakValueDictionary()

    def get(self, fingerprint: str, name: str = "") -> Encoders:
        """The encoders of a bundle, let go of when the last holder does. Those of a warm pool can answer at once.

        Raises BundleError.
        """
        with self._lock:
            encoders = self._held.get(fingerprint)
            if encoders is None:
                encoders = Encoders(find_bundle(self._settings, fingerprint, name), precision=self._settings.precision)
                if self._warm:
                    encoders.warm()
                    give_back_memory()  # what loading took beside the weights: a third of all
                self._held[fingerprint] = encoders
            return encoders


class ActiveModel:
    """The encoders of the bundle that is served, as a worker needs them: looked up anew for each job. Thread-safe."""

    def __init__(self, catalogue: Catalogue, pool: ModelPool) -> None:
        self._catalogue, self.pool = catalogue, pool
        self._encoders: Encoders | None = None

    def encoders(self) -> Encoders:
        """Of what is served now. Raises BundleError when that is not at hand."""
        served = self._catalogue.served()
        assert served is not None, "`ensure_serving` comes first"
        if self._encoders is None or self._encoders.bundle.fingerprint != served.bundle:
            self._encoders = self.pool.get(served.bundle, served.bundle_name)
        return self._encoders

    def rest(self) -> None:
        """Gives back what embedding took, once nothing was embedded for a while."""
        if self._encoders is not None and self._encoders.rest(REST_AFTER_S):
            give_back_memory()

    def refresh(self) -> None:
        """Let go of what is not served any more."""
        try:
            self.encoders()
        except BundleError as error:
            log.error("%s", error)
