"""A bounded run of Schemathesis; `docs/benchmarks/schemathesis_run.py` makes thousands of requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api_tests.conftest import note
from api_tests.fuzzing import fuzz
from api_tests.server import Server
from models.tests import media_samples


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose library may be taken apart."""
    server = Server(tmp_path / "home", environment={"MMV_SEARCHES_PER_MINUTE": "0", "MMV_UPLOADS_PER_MINUTE": "0"})
    for seed in (1, 2):
        server.add(media_samples.film(tmp_path / f"{seed}.mp4", seed, 4.0))
    yield server
    server.stop()


def test_every_answer_is_one_that_the_openapi_document_knows(own_server: Server, tmp_path: Path) -> None:
    outcome = fuzz(
        own_server,
        tmp_path / "report.ndjson",
        *("--phases", "coverage,fuzzing", "--max-examples", "3", "--seed", "5"),
        within_s=280,
    )
    note(f"Schemathesis: {outcome.cases} requests to {outcome.operations} operations")
    assert outcome.failures == [], "\n\n".join(outcome.failures)
    assert own_server.http.get("/healthz").status_code == 200
