"""`mmv-search audit`."""

import contextlib
import json
from typing import Annotated

import typer

from service.commands.common import HomeOption, out, settings_for


def audit(
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="How many entries.")] = 20,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an entry a line.")] = False,
) -> None:
    """Show what admins did to a library, newest first: keys, models, rebuilds, deleted videos."""
    from service.catalogue import open_catalogue
    from service.commands.index import existing

    settings = settings_for(home)
    if settings.database_url is None:
        existing(settings)
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        entries, _ = catalogue.audit(number)
    for entry in entries:
        if as_json:
            typer.echo(json.dumps({**vars(entry), "at": entry.at.isoformat()}))
        else:
            details = ", ".join(
                f"{name} {value}" for name, value in entry.details.items() if value not in (None, "", [])
            )
            line = f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}: {entry.action} {entry.subject or ''}  {details}"
            out.print(line.rstrip(), highlight=False, soft_wrap=True, markup=False)
