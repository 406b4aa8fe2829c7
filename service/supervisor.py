"""`mmv-search serve`: the embedded Redis, the worker and the HTTP server, started, watched and ended together."""

import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from service.catalogue import open_catalogue
from service.first_start import CannotServe, require_keys
from service.memory import use_few_heaps
from service.redis_server import EmbeddedRedis, RedisUnavailable, socket_path
from service.settings import Settings
from service.sweep import sweep_home

log = logging.getLogger(__name__)

# The name by which the worker finds, after a crash of everything, the job that it was at.
WORKER_NAME = "local-1"
WATCH_S = 0.5
# A worker that dies at once is restarted ever less eagerly.
SLOWEST_RESTART_S = 10.0
STABLE_AFTER_S = 10.0
WORKER_STOPS_WITHIN_S = 2.0
REQUESTS_END_WITHIN_S = 1
# Later than clients (httpx: 5 s) and proxies (60 s) give a connection up: one that ends it first loses the request that
# is on its way.
IDLE_CONNECTIONS_END_AFTER_S = 65


class Supervisor:
    """Starts Redis and the worker, restarts whichever dies, and ends both. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self._redis = None if settings.redis_url else EmbeddedRedis(settings.redis_dir)
        self.settings = settings
        self._worker: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        # The thread that starts a child must outlive it: on Linux a child is killed when its parent's thread ends.
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._started = threading.Event()
        self._failure: Exception | None = None

    def __enter__(self) -> "Supervisor":
        if self._redis is not None:
            self.settings = self.settings.model_copy(update={"redis_url": self._redis.url})
        self._watcher.start()
        self._started.wait()
        if self._failure is not None:
            self._watcher.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._worker.pid if self._worker is not None else None

    def _watch(self) -> None:
        try:
            if self._redis is not None:
                self._redis.start()
            self._start_worker()
        except (OSError, RedisUnavailable) as error:
            self._failure = error
        self._started.set()
        delay, started = WATCH_S, time.monotonic()
        while self._failure is None and not self._over.wait(WATCH_S):
            try:
                if self._redis is not None and not self._redis.alive():
                    log.error("Redis ended; it is started again")
                    self._redis.start()
                if self._worker is None or self._worker.poll() is not None:
                    code = self._worker.returncode if self._worker is not None else None
                    log.error("the worker ended (%s); it is started again", code)
                    delay = (
                        WATCH_S if time.monotonic() - started > STABLE_AFTER_S else min(2 * delay, SLOWEST_RESTART_S)
                    )
                    if self._over.wait(delay - WATCH_S):
                        break
                    self._start_worker()
                    started = time.monotonic()
            except (OSError, RedisUnavailable):
                log.exception("a part of the service cannot be started; trying again")
        self._stop_worker()
        if self._redis is not None:
            self._redis.stop()

    def _start_worker(self) -> None:
        command = [sys.executable, "-m", "service.cli", "worker", "--name", WORKER_NAME, "--parent", str(os.getpid())]
        self._worker = subprocess.Popen(
            command,
            env={**os.environ, **self._environment()},
            stdin=subprocess.DEVNULL,
            process_group=0,  # ctrl-C in the terminal is for this process, which ends the worker in good order
        )

    def _environment(self) -> dict[str, str]:
        """This process's settings, for the worker."""
        given = self.settings.model_dump(mode="json", exclude_none=True)
        return {f"MMV_{name.upper()}": str(value) for name, value in given.items()}

    def _stop_worker(self) -> None:
        if self._worker is None:
            return
        self._worker.terminate()
        try:
            self._worker.wait(WORKER_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            self._worker.wait()


@contextlib.contextmanager
def home_lock(settings: Settings) -> Iterator[None]:
    """Held while a home is served: two servers on one home would fight for its Redis. Raises CannotServe."""
    handle = os.open(settings.home / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = serving_address(settings)
            raise CannotServe(
                f"{settings.home} is already being served" + (f" at {where}." if where else ".")
            ) from None
        yield
    finally:
        os.close(handle)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CannotServe."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        raise CannotServe(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}. Try another --port."
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL at which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serving_address(settings: Settings) -> str | None:
    """Where this home says it is being served; None when it does not."""
    try:
        told = json.loads(settings.serve_file.read_text())
        return str(told["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def serve(settings: Settings, *, on_ready: Callable[[str], None], quiet: bool = False) -> None:
    """Serves until SIGINT or SIGTERM. `on_ready(address)` is called, in a thread, once requests are answered.

    Raises CannotServe, RedisUnavailable, CatalogueError, BundleError.
    """
    import uvicorn

    from service.app import create_app
    from service.bundles import ensure_serving
    from service.draining import DrainingServer
    from service.http_protocol import CarefulProtocol
    from service.model_pool import find_bundle

    use_few_heaps()
    settings.prepare_home()
    alone = contextlib.nullcontext() if settings.replica else home_lock(settings)
    with alone, contextlib.closing(listen(settings.host, settings.port)) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        _leave_cleanly_on(signal.SIGTERM)
        with contextlib.closing(open_catalogue(settings)) as catalogue:
            require_keys(settings, catalogue)
            # What is wrong with the bundle is told before anything starts.
            served = ensure_serving(settings, catalogue, starting=not settings.replica)
            find_bundle(settings, served.bundle, served.bundle_name).require(settings.precision)
            if not settings.replica:
                sweep_home(settings, catalogue)
        with _parts(settings) as given:
            app = create_app(given)
            config = uvicorn.Config(
                app,
                http=CarefulProtocol,
                log_level="warning" if quiet else "info",
                access_log=False,
                timeout_keep_alive=IDLE_CONNECTIONS_END_AFTER_S,
                timeout_graceful_shutdown=max(REQUESTS_END_WITHIN_S, round(settings.drain_s)),
                log_config=None,
            )
            server = DrainingServer(config, app.state.draining, settings.drain_s)
            address = address_of(listener)
            threading.Thread(target=_announce, args=(server, settings, address, on_ready), daemon=True).start()
            try:
                server.run(sockets=[listener])
            finally:
                if not settings.replica:
                    settings.serve_file.unlink(missing_ok=True)
            if not server.started:
                raise CannotServe("The HTTP application did not start; the lines above say why.")


@contextlib.contextmanager
def _parts(settings: Settings) -> Iterator[Settings]:
    """Redis and a worker, while it lasts; a replica uses another's. The settings, with the address of the Redis.

    Raises CannotServe, OSError, RedisUnavailable.
    """
    if not settings.replica:
        with Supervisor(settings) as supervisor:
            yield supervisor.settings
        return
    if settings.redis_url is None:
        embedded = socket_path(settings.redis_dir)
        if not embedded.exists():
            raise CannotServe(
                f"A replica needs the Redis of another service: start `mmv-search serve --home {settings.home}` first, "
                "or set MMV_REDIS_URL."
            )
        settings = settings.model_copy(update={"redis_url": f"unix://{embedded}"})
    yield settings


def _announce(
    server: "uvicorn.Server",  # type: ignore[name-defined]  # noqa: F821  # imported late: it takes a while
    settings: Settings,
    address: str,
    on_ready: Callable[[str], None],
) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    if not settings.replica:  # the command line talks to the one that has the worker
        temporary = settings.serve_file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n")
        temporary.replace(settings.serve_file)
    on_ready(address)


def _leave_cleanly_on(signum: signal.Signals) -> None:
    """Turns a signal into SystemExit: uvicorn raises it again once it has stopped, and cleaning up is still to come."""

    def leave(_signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signum, leave)
