"""The command line as a client of the service that runs for a home."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from service.commands.common import CommandFailed, printable
from service.settings import Settings
from service.supervisor import serving_address

# An upload answers after the file was probed, which may mean reading all of it.
TIMEOUT = httpx.Timeout(600.0, connect=3.0)


class ServiceError(CommandFailed):
    """The service turned a request down; `retry_after_s` when it said so for a while alone."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after_s: int | None = None) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s


class Client:
    """Calls the service with the home's admin token. A context manager."""

    def __init__(self, address: str, settings: Settings) -> None:
        self.address = address
        self._max_upload_bytes = settings.max_upload_bytes
        headers = {"Authorization": f"Bearer {settings.admin_token()}"}
        # No proxies from the environment: the service is on this machine, and the token is not for others.
        self._http = httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer. Raises ServiceError."""
        return self._answer(self._http.get(path, params=params))

    def post(self, path: str, *, json: Any = None, **params: Any) -> Any:
        """The JSON answer. Raises ServiceError."""
        return self._answer(self._http.post(path, json=json, params=params))

    def delete(self, path: str) -> Any:
        """The JSON answer. Raises ServiceError."""
        return self._answer(self._http.delete(path))

    def send_file(
        self,
        path: str,
        file: Path,
        fields: dict[str, str] | None = None,
        beside: dict[str, bytes] | None = None,
        **params: Any,
    ) -> Any:
        """Uploads a file as multipart, with small ones beside it; the JSON answer. Raises ServiceError."""
        with file.open("rb") as opened:
            files: dict[str, Any] = {"file": (printable(file.name), opened)}
            files |= {name: (name, data) for name, data in (beside or {}).items()}
            return self._answer(self._http.post(path, data=fields, files=files, params=params))

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, content: Iterable[bytes] | bytes = b""
    ) -> httpx.Headers:
        """Any other request; the headers of the answer. Raises ServiceError."""
        response = self._http.request(method, path, headers=headers, content=content)
        self._answer(response)
        return response.headers

    def why_not_sent(self, file: Path, error: httpx.TransportError) -> str:
        """What to say of an upload that broke off: a service hangs up on a file that it will not take."""
        most = self._max_upload_bytes
        if file.stat().st_size > most:
            return f"the service broke it off: the file is larger than {most / 1024**2:,.0f} MiB (MMV_MAX_UPLOAD_BYTES)"
        return f"the connection broke while it was sent: {error or type(error).__name__}"

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            is_json = response.headers.get("content-type", "").startswith("application/json")
            return response.json() if response.content and is_json else None
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        after = response.headers.get("retry-after", "")
        retry_after_s = int(after) if after.isdecimal() else None
        raise ServiceError(response.status_code, problem if isinstance(problem, dict) else {}, retry_after_s)


def find_service(settings: Settings) -> Client | None:
    """A client of the service that runs for this home; None when none answers."""
    address = serving_address(settings)
    if address is None:
        return None
    client = Client(address, settings)
    try:
        client.get("/healthz")
    except (httpx.HTTPError, ServiceError):
        client.close()
        return None
    return client


def require_service(settings: Settings) -> Client:
    """As `find_service`. Raises CommandFailed when none answers."""
    client = find_service(settings)
    if client is None:
        raise CommandFailed(
            f"No service is running for {settings.home}. "
            f"Start it in another terminal: mmv-search serve --home {settings.home}"
        )
    return client
