"""Schemathesis over everything that a running service says it has: requests made from its OpenAPI document, good and
bad, and whether each answer is one that the document knows."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api_tests.server import REPOSITORY, Server
from service.catalogue import open_catalogue
from service.catalogue.tables import JobRow
from service.settings import Settings

# No 5xx, no status that is not documented, no answer of another type or shape than is documented.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
HOOKS = "api_tests.fuzzing_hooks"
REQUEST_TIMEOUT_S = 20


@dataclass(frozen=True)
class Outcome:
    """How many requests were made, and each way in which an answer was wrong, once."""

    cases: int
    operations: int
    failures: list[str] = field(default_factory=list)
    output: str = ""


def fuzz(server: Server, report: Path, *arguments: str, within_s: float) -> Outcome:
    """Sends requests until the arguments (of `schemathesis run`) say that it is enough.

    The service keeps running, but what is in it is changed and deleted.
    """
    training_is_busy(server)
    videos = server.http.get("/v1/videos", headers=server.admin).json()["videos"]
    known = {
        "video_id": [video["id"] for video in videos],
        "job_id": [job["id"] for job in server.http.get("/v1/jobs", headers=server.admin).json()["jobs"]],
        "segment_id": list(range(1, 9)),
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
        *("--header", f"Authorization: {server.admin['Authorization']}"),
        *("--checks", ",".join(CHECKS), "--request-timeout", str(REQUEST_TIMEOUT_S)),
        *("--report", "ndjson", "--report-ndjson-path", str(report), "--no-color", "--suppress-health-check", "all"),
        *("--continue-on-failure", "--warnings", "off", "--no-shrink"),
        *arguments,
    ]
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": HOOKS,
            "MMV_FUZZ_KNOWN": json.dumps(known),
        },
        cwd=report.parent,  # it leaves what it remembers there
        capture_output=True,
        text=True,
        timeout=within_s,
    )
    outcome = _read(report, done.stdout + done.stderr)
    assert outcome.cases, f"no request was made:\n{outcome.output[-4000:]}"
    if done.returncode and not outcome.failures:
        outcome.failures.append(outcome.output[-4000:])
    return outcome


def training_is_busy(server: Server) -> None:
    """Lets the service say that a training is under way: a real one would take the machine for an hour."""
    catalogue = open_catalogue(Settings(home=server.home))
    job = catalogue.create_only_job(("adapt", "train"), "adapt", {"steps": 1, "promote": False, "made_up": True})
    assert job is not None
    assert catalogue.claim_job(job.id, "fuzzing")
    with catalogue._database.write() as session:
        row = session.get(JobRow, job.id)
        assert row is not None
        row.heartbeat_at = datetime.now(UTC) + timedelta(days=1)  # it looks alive for long enough
    catalogue.close()


def _read(report: Path, output: str) -> Outcome:
    """What the report's events say."""
    cases = 0
    operations: set[str] = set()
    failures: dict[str, str] = {}
    for line in report.read_text(encoding="utf-8").splitlines() if report.is_file() else []:
        event: dict[str, Any] = json.loads(line)
        for recorder in _recorders(event):
            operations.add(str(recorder.get("label")))
            cases += len(recorder.get("interactions") or {})
            for checks in (recorder.get("checks") or {}).values():
                for check in checks:
                    if check.get("status") == "failure":
                        said = json.dumps(check.get("failure_info") or check, default=str)
                        failures.setdefault(f"{recorder.get('label')} {check.get('name')}", said[:3000])
    return Outcome(cases, len(operations), [f"{name}: {said}" for name, said in failures.items()], output)


def _recorders(event: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for value in event.values():
        if isinstance(value, dict) and isinstance(value.get("recorder"), dict):
            found.append(value["recorder"])
    return found
