"""The catalogue: videos, segments, their vectors, jobs and the log of changes. The truth, with the media store."""

from service.catalogue.catalogue import Catalogue, open_catalogue
from service.catalogue.engine import CatalogueError
from service.catalogue.records import (
    Change,
    Job,
    JobKind,
    JobStatus,
    NewSegment,
    Segment,
    Video,
    VideoStatus,
)

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Change",
    "Job",
    "JobKind",
    "JobStatus",
    "NewSegment",
    "Segment",
    "Video",
    "VideoStatus",
    "open_catalogue",
]
