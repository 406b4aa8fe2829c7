"""The one settings object: read once from arguments and `MMV_*` variables, then passed down."""

import errno
import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1024**3
MIB = 1024**2


def default_home() -> Path:
    """Where a library lives when nobody says otherwise (XDG's data folder)."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "mmv-search"


class Settings(BaseSettings):
    """Everything an operator can set. `Settings(home=...)` wins over `MMV_HOME`, which wins over the default."""

    model_config = SettingsConfigDict(env_prefix="MMV_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home)
    host: str = "127.0.0.1"
    port: int = Field(default=8600, ge=0, le=65535)
    # Each replaces an embedded part by a real server.
    redis_url: str | None = None
    database_url: str | None = None
    # A bundle directory; None is the one promoted in the home, or else the one shipped with the package.
    bundle: Path | None = None
    # What its encoders compute in. int8 (CPUs) and fp16 (GPUs) are variants, made by `mmv-search bundle quantize`.
    precision: Literal["fp32", "int8", "fp16"] = "fp32"

    # What an upload to the library may be.
    max_upload_bytes: int = 4 * GIB
    max_duration_s: float = 4 * 3600.0
    # Seconds after which a resumable upload to which nothing comes is given up.
    upload_expires_s: float = Field(default=24 * 3600.0, gt=0)
    # Resumable uploads that may be begun and not ended.
    max_open_uploads: int = Field(default=1000, ge=1)
    # What uploads leave free on the disk for everything else.
    min_free_bytes: int = Field(default=256 * MIB, ge=0)
    # Videos that may wait to be taken in; further uploads are sent away until there are fewer.
    max_queued_jobs: int = Field(default=20_000, ge=1)
    # Requests that are in the service at once, those that wait included; more are told to come back in a moment.
    max_searches: int = Field(default=128, ge=1)
    max_uploads: int = Field(default=32, ge=1)
    # Seconds between the signal to stop (from which on /readyz says 503) and the end, in which requests are still
    # served: as long as a load balancer takes to notice.
    drain_s: float = Field(default=0.0, ge=0, le=3600)
    # What a query by example may be.
    max_query_bytes: int = 64 * MIB
    max_query_s: float = 60.0
    # Width x height of a picture or a film: checked before anything is decoded (image bombs).
    max_pixels: int = 50_000_000

    # Serve other machines with no API key made: whoever reaches the service may search, add and delete.
    insecure: bool = False
    # Names, separated by commas, by which a service on loopback is reached through a proxy; it is then open to others.
    public_hosts: str = ""
    # What one key (or one address, where no key is needed) may do; 0 means as much as it likes.
    searches_per_minute: int = Field(default=3000, ge=0, le=1_000_000)
    uploads_per_minute: int = Field(default=600, ge=0, le=1_000_000)

    # Seconds after which a process sees at the latest that another model or index generation is to be searched.
    swap_poll_s: float = Field(default=1.0, ge=0.01, le=60)
    # The recall@10 (against exact search) that a new index generation must have to be searched.
    min_recall: float = Field(default=0.95, ge=0, le=1)
    # One more API process beside another `serve` of the same home, without Redis and worker of its own.
    replica: bool = False

    # Threads of a worker that embed at the same time (FINDINGS section 5: better than one call with as many threads).
    embed_threads: int = Field(default=2, ge=1, le=64)
    # Films that a worker takes in at the same time: while one is embedded, others are decoded and stored.
    ingest_at_once: int = Field(default=4, ge=1, le=64)
    # Seconds of embedding that a worker which dies may lose; what is older is on the disk.
    checkpoint_s: float = Field(default=10.0, ge=0)
    # Seconds until a job that failed for a reason that passes is tried again; four times as long each time.
    retry_s: float = Field(default=2.0, ge=0)

    @field_validator("home", "bundle")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @property
    def media_dir(self) -> Path:
        """Uploaded files, by their sha256."""
        return self.home / "media"

    @property
    def thumbnails_dir(self) -> Path:
        """`<video id>/<start in ms>.jpg`."""
        return self.home / "thumbnails"

    @property
    def index_dir(self) -> Path:
        """Index generations (derived: can be rebuilt)."""
        return self.home / "index"

    @property
    def spool_dir(self) -> Path:
        """What is embedded already of films that are being taken in (`service/spool.py`)."""
        return self.home / "spool"

    @property
    def upload_dir(self) -> Path:
        """Uploads in flight, on the same file system as the media so that they move by a rename."""
        return self.home / "uploads"

    @property
    def bundles_dir(self) -> Path:
        """Copies of the bundles that were promoted (`service/bundles.py`)."""
        return self.home / "bundles"

    @property
    def training_dir(self) -> Path:
        """What is being adapted or rebuilt for this library, a folder each; an interrupted one goes on there."""
        return self.home / "training"

    @property
    def active_bundle_file(self) -> Path:
        """Names the promoted bundle in use, a folder of `bundles_dir`; missing when none is."""
        return self.home / "active-bundle"

    @property
    def orphans_dir(self) -> Path:
        """Stored files that no video had when the service started, by their sha256."""
        return self.home / "orphans"

    @property
    def redis_dir(self) -> Path:
        """The embedded Redis: its append-only file and, where the path is short enough, its socket."""
        return self.home / "redis"

    @property
    def admin_token_path(self) -> Path:
        """The token that admin calls need."""
        return self.home / "admin-token"

    @property
    def public_names(self) -> tuple[str, ...]:
        """`public_hosts` as names, lower-case, without ports."""
        return tuple(name.strip().rstrip(".").lower() for name in self.public_hosts.split(",") if name.strip())

    @property
    def serve_file(self) -> Path:
        """Says where this home is being served; written by `serve`, read by the command line."""
        return self.home / "serve.json"

    @property
    def effective_database_url(self) -> str:
        """SQLAlchemy URL of the catalogue."""
        return self.database_url or f"sqlite:///{self.home / 'catalogue.sqlite3'}"

    def bundle_path(self) -> Path:
        """The bundle directory in use: what was set, else what was promoted in the home, else the shipped one.

        Raises BundleError when the promoted one is gone.
        """
        if self.bundle is not None:
            return self.bundle
        from models.bundle import MANIFEST, BundleError, shipped_bundle_path

        pointer = self.active_bundle_file
        try:
            name = pointer.read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return shipped_bundle_path()
        folder = self.bundles_dir / name
        if not name or Path(name).name != name or not (folder / MANIFEST).is_file():
            raise BundleError(
                f"{pointer} names the bundle {name!r}, which is not in {self.bundles_dir}. Promote it again "
                "(mmv-search bundle promote DIR), or go back to the shipped one: mmv-search bundle promote --shipped"
            )
        return folder

    def prepare_home(self) -> None:
        """Makes the home folder and what belongs in it, readable by its owner alone. Raises OSError."""
        if self.home.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "is a file; the home of a library is a folder", str(self.home))
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.media_dir, self.thumbnails_dir, self.index_dir, self.upload_dir):
            folder.mkdir(exist_ok=True, mode=0o700)

    def admin_token(self) -> str:
        """The admin token, made (256 random bits, mode 0600) when there is none yet."""
        try:
            return self.admin_token_path.read_text().strip()
        except FileNotFoundError:
            pass
        token = secrets.token_urlsafe(32)
        try:
            handle = os.open(self.admin_token_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was faster
            return self.admin_token_path.read_text().strip()
        with os.fdopen(handle, "w") as file:
            file.write(token + "\n")
        return token
