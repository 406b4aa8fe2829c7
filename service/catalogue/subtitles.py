"""Queries about the subtitles of videos: one WebVTT text each."""

from sqlalchemy import delete

from service.catalogue.engine import Database
from service.catalogue.tables import SubtitlesRow, VideoRow


class SubtitleQueries:
    """The part of the catalogue that is about subtitles; every method is one transaction."""

    _database: Database

    def subtitles(self, video_id: str) -> str | None:
        """The WebVTT of a video, or None."""
        with self._database.read() as session:
            row = session.get(SubtitlesRow, video_id)
            return None if row is None else row.vtt

    def set_subtitles(self, video_id: str, vtt: str | None) -> bool:
        """Replaces the subtitles of a video; None removes them. False when there is no such video."""
        with self._database.write() as session:
            if session.get(VideoRow, video_id) is None:
                return False
            session.execute(delete(SubtitlesRow).where(SubtitlesRow.video_id == video_id))
            if vtt is not None:
                session.add(SubtitlesRow(video_id=video_id, vtt=vtt))
            return True
