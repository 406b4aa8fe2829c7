"""`mmv-search keys`: who may call the service. Works on the library's catalogue itself, served or not."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for

if TYPE_CHECKING:
    from service.catalogue import Catalogue
    from service.catalogue.records import ApiKey
    from service.keys import Issued

app = typer.Typer(
    help="API keys: who may call the service. As soon as there is one, every call needs one.", no_args_is_help=True
)


class RoleName(StrEnum):
    """What a key may do; each may what those before it may."""

    reader = "reader"
    editor = "editor"
    admin = "admin"


class ScopeName(StrEnum):
    """Kinds of calls (service/permissions.py)."""

    search = "search"
    library = "library"
    media = "media"
    uploads = "uploads"
    jobs = "jobs"
    admin = "admin"


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
KeyArgument = Annotated[str, typer.Argument(help="The key's id, as `mmv-search keys list` shows it.", metavar="ID")]


@app.command()
def create(
    role: Annotated[
        RoleName,
        typer.Option(help="reader: searches and looks; editor: also adds, changes and deletes videos; admin: all."),
    ],
    name: Annotated[str, typer.Option(help="Whose it is, or what for.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="How long it is valid: 12h, 30d, 8w [default: until it is revoked].")
    ] = None,
    scope: Annotated[
        list[ScopeName] | None,
        typer.Option(help="Narrow the role to some kinds of calls; may be repeated [default: all of them]."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is printed this once (on standard output) and kept nowhere."""
    from service.audit import COMMAND_LINE
    from service.keys import create_key

    life = _duration(expires, "--expires") if expires is not None else None
    with _catalogue(home, make=True) as catalogue:
        issued = create_key(
            catalogue,
            role.value,
            COMMAND_LINE,
            name=name,
            scopes=tuple(dict.fromkeys(kind.value for kind in scope or ())),
            expires_at=datetime.now(UTC) + life if life is not None else None,
        )
        _tell_issued(issued, as_json)


@app.command("list")
def list_keys(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keys, newest first, without their secrets."""
    from rich.table import Table

    with _catalogue(home) as catalogue:
        keys = catalogue.keys()
    if as_json:
        _print_json({"keys": [_plain(key) for key in keys]})
        return
    if not keys:
        err.print("There is no key: calls from this machine need none. Make one: mmv-search keys create --role reader")
        return
    now = datetime.now(UTC)
    table = Table(box=None)
    for heading in ("id", "role", "name", "status", "created (UTC)", "expires", "last used"):
        table.add_column(heading, no_wrap=heading in ("id", "role"))
    for key in keys:
        role = key.role + (f" ({', '.join(key.scopes)})" if key.scopes else "")
        table.add_row(
            key.id, role, key.name, key.status(now), _day(key.created_at), _day(key.expires_at), _day(key.last_used_at)
        )
    out.print(table, markup=False)


@app.command()
def revoke(
    key_id: KeyArgument,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", help="Remove it from the list too. When none is left, calls from this machine need none again."
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Make a key invalid, at once, for a running service too, with the pages that signed in with it."""
    from service.audit import COMMAND_LINE

    with _catalogue(home) as catalogue:
        key = catalogue.revoke_key(key_id, COMMAND_LINE)
        if key is None:
            raise _unknown(key_id)
        if forget:
            catalogue.forget_key(key_id, COMMAND_LINE)
    err.print(f"{key.id} is {'revoked and forgotten' if forget else 'revoked'}", highlight=False)


@app.command()
def rotate(
    key_id: KeyArgument,
    grace: Annotated[
        str | None, typer.Option(help="How long the old secret stays valid: 1h, 7d [default: not at all].")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret, printed this once. Id, role and expiry stay."""
    from service.audit import COMMAND_LINE
    from service.catalogue.keys import KeyOver
    from service.keys import LONGEST_GRACE, rotate_key

    wanted = _duration(grace, "--grace") if grace is not None else timedelta(0)
    if wanted > LONGEST_GRACE:
        raise CommandFailed(f"--grace can be {LONGEST_GRACE.days}d at most.")
    with _catalogue(home) as catalogue:
        try:
            issued = rotate_key(catalogue, key_id, COMMAND_LINE, wanted)
        except KeyOver:
            raise CommandFailed(f"The key {key_id} was revoked or has expired; make another.") from None
        if issued is None:
            raise _unknown(key_id)
        _tell_issued(issued, as_json)


@app.command()
def link(home: HomeOption = None) -> None:
    """Print a link to the page of the running service that signs a browser in as admin: once, within half an hour."""
    from service.audit import COMMAND_LINE
    from service.commands.client import require_service
    from service.first_start import make_link

    with require_service(settings_for(home)) as client, _catalogue(home) as catalogue:
        out.print(make_link(catalogue, client.address, COMMAND_LINE), highlight=False, soft_wrap=True, markup=False)


@app.command("sign-out")
def sign_out(home: HomeOption = None) -> None:
    """Sign every page out; keys stay valid."""
    from service.audit import COMMAND_LINE

    with _catalogue(home) as catalogue:
        ended = catalogue.end_all_sessions(COMMAND_LINE)
    err.print(f"sessions ended: {ended}", highlight=False)


@contextlib.contextmanager
def _catalogue(home: Any, make: bool = False) -> "Iterator[Catalogue]":
    """The catalogue of a library; with `make`, of a new one where there is none yet. Raises CommandFailed."""
    from service.catalogue import open_catalogue
    from service.commands.index import existing

    settings = settings_for(home)
    if make:
        settings.prepare_home()
    elif settings.database_url is None:
        existing(settings)
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        yield catalogue


def _duration(said: str, option: str) -> timedelta:
    from service.keys import parse_duration

    try:
        return parse_duration(said)
    except ValueError as error:
        raise CommandFailed(f"{option}: {error}") from None


def _unknown(key_id: str) -> CommandFailed:
    # What was meant may be a whole key: never say it again.
    said = repr(key_id) if len(key_id) <= 12 else "this id"
    return CommandFailed(f"There is no key with {said}; `mmv-search keys list` shows the ids.")


def _tell_issued(issued: "Issued", as_json: bool) -> None:
    if as_json:
        _print_json({**_plain(issued.key), "key": issued.text})
        return
    out.print(issued.text, highlight=False, soft_wrap=True, markup=False)
    key = issued.key
    until = f", valid until {_day(key.expires_at)} UTC" if key.expires_at else ""
    err.print(
        f"The key {key.id} ({key.role}{until}) is shown this once: keep it where others cannot read it.",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def _plain(key: "ApiKey") -> dict[str, Any]:
    """For JSON, the same members as over HTTP."""
    return {**vars(key), "scopes": list(key.scopes), "status": key.status(datetime.now(UTC))}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, default=lambda moment: moment.isoformat().replace("+00:00", "Z"), indent=2))


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"
