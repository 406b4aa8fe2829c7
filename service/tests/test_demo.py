"""The demo library after an update."""

from models.bundle import load_bundle, shipped_bundle_path
from service.catalogue import Catalogue
from service.commands.demo import keep_up
from service.settings import Settings


def test_a_demo_library_whose_model_is_gone_gets_the_shipped_one(settings: Settings, library: Catalogue) -> None:
    library.begin_serving("0" * 64, "shipped-before", None, None)
    keep_up(settings)
    served = library.served()
    assert served is not None
    assert served.bundle == load_bundle(shipped_bundle_path()).fingerprint
    revision = library.served()
    keep_up(settings)
    assert library.served() == revision
