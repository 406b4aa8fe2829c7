"""Serves the page at `/` and its files at `/static`."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.types import Scope

from service.problems import text_unavailable
from service.state import State

UI_DIR = Path(__file__).parent

# Things of the demo library that the shipped model finds, each of another kind.
EXAMPLE_QUERIES = (
    "firing a shotgun",
    "a door opens",
    "an explosion",
    "a monster attacks",
    "stepping into a teleporter",
    "a spider robot",
)

# The page needs nothing from elsewhere and runs no inline code. `blob:` shows the file that the user dropped.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

router = APIRouter(include_in_schema=False)
_templates = Jinja2Templates(directory=UI_DIR / "templates")


@router.get("/")
def page(request: Request) -> Response:
    """The search page; it reads `?q=`, `?match=` and `?group_by=` itself."""
    parts: State | None = getattr(request.app.state, "parts", None)
    no_words = "" if parts is None or "text" in parts.encoders.bundle.modalities else text_unavailable().detail
    context: dict[str, Any] = {"examples": EXAMPLE_QUERIES, "no_words": no_words}
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return _templates.TemplateResponse(request, "index.html", context, headers=headers)


class _RevalidatedFiles(StaticFiles):
    """Static files that a browser keeps but asks about each time: an upgrade of the service shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount_ui(app: FastAPI) -> None:
    """Add the page and its static files to `app`."""
    app.include_router(router)
    app.mount("/static", _RevalidatedFiles(directory=UI_DIR / "static"), name="static")
