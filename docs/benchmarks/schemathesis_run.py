"""Thousands of requests, made by Schemathesis from the OpenAPI document of a service that really runs.

    PYTHONPATH=. python docs/benchmarks/schemathesis_run.py [--examples 150] [--seed 1] [--out FILE.json]

For every operation: the document's own examples, its limits one by one (what is just inside, just outside, missing, of
another type), then random requests that fit and that do not. Every answer must be below 500, of a status, a type and a
shape that the document knows. Exits with 1 if one is not, and says which.

It needs `pip install -e ".[train,dev]"`. With the defaults it takes about ten minutes on two cores.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from api_tests.fuzzing import CHECKS, fuzz
from api_tests.server import Server
from models.tests import media_samples

WITHIN_S = 3 * 3600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=150, help="random requests for each operation")
    parser.add_argument("--phases", default="examples,coverage,fuzzing", help="of schemathesis; also: stateful")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmv-fuzz-") as folder:
        home = Path(folder)
        unlimited = {"MMV_SEARCHES_PER_MINUTE": "0", "MMV_UPLOADS_PER_MINUTE": "0"}
        server = Server(home / "home", environment=unlimited)
        try:
            for seed in (1, 2, 3):
                server.add(media_samples.film(home / f"{seed}.mp4", seed, 4.0))
            started = time.monotonic()
            outcome = fuzz(
                server,
                home / "report.ndjson",
                *("--phases", given.phases, "--max-examples", str(given.examples), "--seed", str(given.seed)),
                within_s=WITHIN_S,
            )
            seconds = time.monotonic() - started
            alive = server.http.get("/healthz").status_code == 200
        finally:
            server.stop()
    for failure in outcome.failures:
        print(failure, end="\n\n")
    figures = {
        "requests": outcome.cases,
        "operations": outcome.operations,
        "checks": list(CHECKS),
        "failures": len(outcome.failures),
        "service_alive_at_the_end": alive,
        "seconds": round(seconds, 1),
        "seed": given.seed,
    }
    print(json.dumps(figures, indent=1))
    if given.out is not None:
        given.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if alive and not outcome.failures else 1)


if __name__ == "__main__":
    main()
