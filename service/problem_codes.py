"""Every problem that a request or a job can end with: `PROBLEMS` is the whole vocabulary.

A code means one status and one title for good, whether HTTP answers with it at once or a job carries it later.
"""

from typing import Any

TYPE_PREFIX = "urn:mmv-search:problem:"
CHECKSUM_MISMATCH = 460  # of the tus protocol, for want of one in HTTP

PROBLEMS: dict[str, tuple[int, str]] = {
    # the request
    "bad_request": (400, "The request cannot be read"),
    "unauthorized": (401, "A valid key is needed"),
    "forbidden_role": (403, "The key's role is too low"),
    "forbidden_scope": (403, "The key is for other calls"),
    "forbidden_host": (403, "Request for another host name"),
    "forbidden_origin": (403, "Request from another site"),
    "not_found": (404, "No such address"),
    "method_not_allowed": (405, "Wrong method for this address"),
    "rate_limited": (429, "Too many requests"),
    "range_not_satisfiable": (416, "No such part of the file"),
    "invalid_request": (422, "A parameter is missing or wrong"),
    "bad_cursor": (422, "The cursor does not fit"),
    "missing_file": (422, "No file was sent"),
    # what is not in the library
    "video_not_found": (404, "No such video"),
    "segment_not_found": (404, "No such segment"),
    "thumbnail_not_found": (404, "No picture to show"),
    "job_not_found": (404, "No such job"),
    "erasure_not_found": (404, "No such deletion"),
    # keys
    "key_not_found": (404, "No such key"),
    "key_over": (409, "The key is no longer valid"),
    # queries
    "empty_query": (422, "The query is empty"),
    "unknown_words": (422, "No word of the query is known"),
    "query_too_long": (422, "The query lasts too long"),
    "text_unavailable": (409, "The model knows no words"),
    "no_picture": (422, "The file has no picture"),
    "no_sound": (422, "The file has no sound"),
    "not_an_image": (422, "Not a still image"),
    # uploads
    "request_timeout": (408, "The sender went silent"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_body": (415, "The body is of another kind"),
    "upload_not_found": (404, "No such upload"),
    "offset_mismatch": (409, "The upload is elsewhere"),
    "tus_version": (412, "Another version of the protocol"),
    "upload_locked": (423, "Somebody else is at the upload"),
    "checksum_mismatch": (CHECKSUM_MISMATCH, "The bytes are not what was meant"),
    "subtitles_unreadable": (422, "No subtitles could be read"),
    "subtitles_not_found": (404, "No subtitles"),
    "preview_not_found": (404, "No preview"),
    # files
    "empty_file": (422, "The file is empty"),
    "not_media": (415, "Not a media file"),
    "truncated_media": (422, "The file is cut off or damaged"),
    "no_streams": (422, "Neither picture nor sound in the file"),
    "media_too_long": (422, "The film lasts too long"),
    "media_too_large": (422, "The picture has too many pixels"),
    "media_too_complex": (422, "The file holds too many things"),
    "upload_too_large": (413, "The file is too large"),
    "unsupported_media": (415, "The codec is not supported"),
    "decoder_crashed": (422, "The file breaks the decoder"),
    "decoder_timeout": (422, "Decoding takes too long"),
    # jobs
    "media_missing": (500, "The file is gone from the media store"),
    "nothing_to_find": (422, "Nothing can be seen or heard in the file"),
    "job_not_failed": (409, "Nothing to try again"),
    "media_gone": (410, "The file is not kept any more"),
    "ingest_cancelled": (409, "The ingest was cancelled"),
    "worker_died": (500, "The worker died on this job"),
    "training_unavailable": (409, "Training is not installed"),
    "training_busy": (409, "A model is being trained already"),
    "training_failed": (500, "The training ended with an error"),
    # models and index generations
    "bundle_not_found": (404, "No such model"),
    "bundle_ambiguous": (409, "Several models have that name"),
    "bundle_active": (409, "The model is in use already"),
    "bundle_pinned": (409, "The settings name the model"),
    "bundle_unusable": (500, "The model is gone or damaged"),
    "candidate_not_found": (404, "Nothing is to be switched to"),
    "candidate_not_ready": (409, "Not ready to be switched to"),
    "swap_busy": (409, "Another switch is being prepared"),
    "swap_outdated": (409, "Something else is in use meanwhile"),
    "nothing_to_go_back_to": (409, "Nothing is kept from before"),
    "index_check_failed": (500, "The new index is not fit to be searched"),
    # the service
    "queue_unavailable": (503, "The job queue is away"),
    "queue_full": (503, "The job queue is full"),
    "overloaded": (503, "Too much to do just now"),
    "catalogue_busy": (503, "The library is busy"),
    "storage_full": (507, "No space left for the file"),
    "internal_error": (500, "Something broke on the server"),
}


def code_of_file(code: str) -> str:
    """The code of a MediaError, or the most general one if it is not in the vocabulary."""
    return code if code in PROBLEMS else "unsupported_media"


def problem_document(code: str, detail: str) -> dict[str, Any]:
    """The document of RFC 9457: type, title, status, code and detail. `code` is a key of PROBLEMS."""
    status, title = PROBLEMS[code]
    return {"type": TYPE_PREFIX + code, "title": title, "status": status, "code": code, "detail": detail}
