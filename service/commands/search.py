"""`mmv-search search`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.common import CommandFailed, HomeOption, out, settings_for

app = typer.Typer(help="Search the library of a running service.", no_args_is_help=True)

LimitOption = Annotated[int, typer.Option("-k", "--limit", min=1, max=100, help="How many moments to show.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE")]


WithoutOption = Annotated[
    list[str] | None, typer.Option("--without", metavar="WORDS", help="What it is not to be like; may be repeated.")
]
WordsOption = Annotated[str | None, typer.Option("--words", metavar="WORDS", help="What is to happen in it too.")]


@app.command()
def text(
    words: Annotated[str, typer.Argument(metavar="WORDS")],
    without: WithoutOption = None,
    k: LimitOption = 10,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Find moments by words, for example "a door opens"."""
    from service.commands.client import require_service

    with require_service(settings_for(home)) as client:
        if without:
            answer = client.post("/v1/search", json={"parts": [{"text": words}, *_unwanted(without)]}, limit=k)
        else:
            answer = client.get("/v1/search", q=words, limit=k)
        show(answer, as_json)


FILES = {
    "audio": "Find moments by a sound (any audio file, or a film, whose sound is taken).",
    "image": "Find moments by a still image.",
    "video": "Find moments by a short clip.",
}


def _add_command(kind: str) -> None:
    def search(
        file: FileArgument,
        words: WordsOption = None,
        without: WithoutOption = None,
        k: LimitOption = 10,
        as_json: JsonOption = False,
        home: HomeOption = None,
    ) -> None:
        by_file(kind, file, words, without, k, as_json, home)

    app.command(kind, help=FILES[kind])(search)


for each in FILES:
    _add_command(each)


@app.command()
def like(
    segment: Annotated[int, typer.Argument(metavar="SEGMENT", help="Of a result, as searches show it.")],
    words: WordsOption = None,
    without: WithoutOption = None,
    k: LimitOption = 10,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Find moments like one of the library."""
    from service.commands.client import require_service

    parts = [{"segment_id": segment}, *_wanted(words), *_unwanted(without)]
    with require_service(settings_for(home)) as client:
        show(client.post("/v1/search", json={"parts": parts}, limit=k), as_json)


def by_file(
    kind: str, file: Path, words: str | None, without: list[str] | None, limit: int, as_json: bool, home: Path | None
) -> None:
    """A search by example, perhaps with words beside it. Raises CommandFailed."""
    from service.commands.client import require_service

    if not file.is_file():
        raise CommandFailed(f"{file} is not a file.")
    more = [*_wanted(words), *_unwanted(without)]
    with require_service(settings_for(home)) as client:
        if more:
            query = json.dumps({"parts": [{"file": "file", "kind": kind}, *more]})
            answer = client.send_file("/v1/search", file, {"query": query}, limit=limit)
        else:
            answer = client.send_file(f"/v1/search/{kind}", file, limit=limit)
        show(answer, as_json)


def _wanted(words: str | None) -> list[dict[str, Any]]:
    return [] if words is None else [{"text": words}]


def _unwanted(words: list[str] | None) -> list[dict[str, Any]]:
    return [{"text": text, "weight": -1.0} for text in words or []]


def show(answer: dict[str, Any], as_json: bool) -> None:
    """Prints results as a table, or as they came."""
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    if not answer["results"]:
        out.print("Nothing found.")
        return
    table = Table("", "moment", "sure", "title", "segment", "video", box=None, header_style="dim")
    for rank, hit in enumerate(answer["results"], 1):
        moment = f"{clock(hit['start_s'])}-{clock(hit['end_s'])}"
        table.add_row(
            str(rank), moment, f"{hit['confidence']:.0%}", hit["title"], str(hit["segment_id"]), hit["video_id"]
        )
    out.print(table)
    out.print(f"[dim]{answer['took_ms']['total']:.0f} ms[/dim]")


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"
