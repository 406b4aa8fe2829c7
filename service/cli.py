"""`mmv-search`: the command line. Each command is a function of `service/commands/` or `models/training/cli.py`."""

import os
import sys

# Before NumPy and FAISS are loaded: their thread pools fight with ours (FINDINGS section 3: 29 against 125 ms).
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import typer  # noqa: E402

from models.training.cli import register as register_training  # noqa: E402
from service.commands import adapt, audit, backup, bundle, demo, index, ingest, jobs, keys, search, serve, worker  # noqa: E402
from service.commands.common import err, told  # noqa: E402

app = typer.Typer(
    name="mmv-search",
    help="Search a library of films and sounds by words, a sound, an image or a clip.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(ingest.ingest)
app.command()(adapt.adapt)
app.add_typer(backup.app, name="backup")
app.command()(backup.restore)
app.command()(audit.audit)
app.add_typer(search.app, name="search")
app.add_typer(index.app, name="index")
app.add_typer(bundle.app, name="bundle")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
register_training(app, bundle.app)


def main() -> None:
    """Entry point: an expected failure is one line and exit status 1."""
    _keep_out_of_children()
    try:
        # The context's object: `train --rebuild --promote`, which knows no library, promotes by it.
        app(obj=bundle.promote_into)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = told(error)
        if message is None:
            raise
        err.print(f"[red]error:[/red] {message}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _keep_out_of_children() -> None:
    """Hides this program from multiprocessing, which else imports it in every process of a training: 150 ms each.

    Preloading "__main__" in the fork server is meant for that, but does nothing before Python 3.14 (CPython 126631).
    """
    main_module = sys.modules["__main__"]
    main_module.__spec__ = None
    if hasattr(main_module, "__file__"):
        del main_module.__file__


if __name__ == "__main__":
    main()
