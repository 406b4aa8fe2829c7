"""The child process of a training job: the command line, politely, and never longer than its worker."""

import os

from service.parent_death import end_with_parent

NICER = 10  # searching comes first


def main() -> None:
    """Run `mmv-search` with this process's arguments."""
    end_with_parent()
    os.nice(NICER)
    from service.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
