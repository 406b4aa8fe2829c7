"""Problem documents of jobs that failed, in the form that the HTTP side gives to its errors (RFC 9457)."""

from typing import Any

TITLES = {
    "decoder_crashed": "The file breaks the decoder",
    "decoder_timeout": "Decoding takes too long",
    "truncated_media": "The file is cut off or damaged",
    "media_too_large": "The picture has too many pixels",
    "media_missing": "The file is gone from the media store",
    "nothing_to_find": "Nothing can be seen or heard in the file",
    "storage_full": "No space left",
    "internal_error": "Something broke in the worker",
}
STATUS = {"storage_full": 507, "internal_error": 500, "media_missing": 500}


def problem_document(code: str, detail: str) -> dict[str, Any]:
    """type, title, status, code and detail."""
    return {
        "type": f"urn:mmv-search:problem:{code}",
        "title": TITLES.get(code, "The file cannot be used"),
        "status": STATUS.get(code, 422),
        "code": code,
        "detail": detail,
    }
