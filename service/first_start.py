"""What a service checks about access before it starts, and the one-time link that its first start prints."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from service.addresses import is_loopback
from service.keys import digest, new_secret
from service.settings import Settings, default_home

if TYPE_CHECKING:
    from service.catalogue import Catalogue

LINK_LIFE = timedelta(minutes=30)


class CannotServe(Exception):
    """The service cannot start; the message says why and what to do."""


def is_private(settings: Settings) -> bool:
    """Whether nobody but this machine's own users reaches the service."""
    return is_loopback(settings.host) and not settings.public_names


def require_keys(settings: Settings, catalogue: "Catalogue") -> None:
    """Raises CannotServe when others reach the service and the library has no valid key, unless that is wanted."""
    if is_private(settings) or settings.insecure or catalogue.valid_keys():
        return
    home = "" if settings.home == default_home() else f" --home {shlex.quote(str(settings.home))}"
    where = (
        f"{settings.host} is open to other machines"
        if not is_loopback(settings.host)
        else (f"MMV_PUBLIC_HOSTS names {settings.public_hosts}, so other machines reach it")
    )
    raise CannotServe(
        f"{where}, and this library has no valid API key. Make one: mmv-search keys create --role admin{home} "
        "(or serve it to everybody, without keys: --insecure)."
    )


def first_link(settings: Settings, catalogue: "Catalogue", address: str, actor: str) -> str | None:
    """The link that signs a page in as admin; None but at the first start of a private service without keys."""
    if not is_private(settings) or catalogue.any_link() or catalogue.any_key():
        return None
    return make_link(catalogue, address, actor)


def make_link(catalogue: "Catalogue", address: str, actor: str) -> str:
    """A link that signs a page in as admin, once, within LINK_LIFE.

    The token stands behind "#", which browsers do not send: no log and no Referer ever has it.
    """
    token = new_secret()
    catalogue.add_link(digest(token), datetime.now(UTC) + LINK_LIFE, actor)
    return f"{address}/#token={token}"
