"""What the catalogue holds of one video."""

from service.catalogue import Catalogue, Segment


def segments_of(catalogue: Catalogue, video_id: str, bundle: str) -> list[Segment]:
    """The segments of one video, in the order of their ids, which is that of time."""
    found = catalogue.segments(catalogue.segment_ids(bundle))
    return [found[i] for i in sorted(found) if found[i].video_id == video_id]
