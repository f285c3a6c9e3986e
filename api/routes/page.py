"""The live page: static files under a strict content security policy. It holds no data; the page asks the API."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).resolve().parents[1] / "web"

# Only this origin, no inline script or style, no frames: what a venue or an operator wrote can never run here.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request) -> FileResponse:
    """Serve the page; what it shows it reads from the API with the operator's key."""
    return FileResponse(WEB / "index.html", headers=HEADERS)


class PageFiles(StaticFiles):
    """The page's scripts and styles, each with the page's headers; a browser asks anew whether they changed."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file below the folder."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
