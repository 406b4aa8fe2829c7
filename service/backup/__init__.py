"""Backups: a folder of content-addressed files and of manifests, one for each time that a library was backed up."""

from service.backup.repository import BackupError, Repository
from service.backup.restore import restore
from service.backup.save import Summary, back_up

__all__ = ["BackupError", "Repository", "Summary", "back_up", "restore"]
