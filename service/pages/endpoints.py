"""Pages for people: front with search, dataset, model, log, badge.

Lives here: parse, call, render. Not here: training jobs (`jobs`), what is shown where (`views`), templates (`templates/`). No script, no cookie, no
asset from elsewhere; the content security policy admits this origin's style and images alone.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.credentials.endpoints import Cursor, Identifier, Text, query_terms, search_page
from service.credentials.searching import Filter
from service.limits import PAGE_DEFAULT_ITEMS
from service.pages.badge import badge_svg
from service.pages.views import credential_view, log_view
from service.problems import Problem
from service.publishers.endpoints import log_links
from service.replies import stored_reply
from service.requests import Whole
from service.state import State, StateDep

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HTML = "text/html; charset=utf-8"


@router.get("/")
async def front(state: StateDep, q: Text = "", cursor: Cursor = "") -> Response:
    """What was registered lately, or what a search finds."""
    try:
        page = await search_page(state, Filter(terms=query_terms(q)), limit=PAGE_DEFAULT_ITEMS, cursor=cursor)
    except Problem as problem:
        return render(
            state, "message.html", status=400, title="Search", message=problem.message, advice=problem.expected
        )
    return render(state, "front.html", query=q, page=page, log=state.released)


@router.get("/datasets/{credential_id}")
@router.get("/models/{credential_id}")
async def show(credential_id: Identifier, state: StateDep) -> Response:
    """A credential in words: what it says, its status, where it came from and what was made of it."""
    view = await state.database.read(credential_view, credential_id)
    if view is None:
        return render(
            state,
            "message.html",
            status=404,
            title="Not found",
            message="No credential with this id is registered here.",
            advice="Search by name, or look a file up by its SHA-256.",
        )
    return render(state, "credential.html", view=view)


@router.get("/log/")
async def show_log(state: StateDep, before: Annotated[Whole | None, Query(ge=0, le=2**53 - 1)] = None) -> Response:
    """The log: its newest entries, its checkpoint and the keys that sign it."""
    released = state.released
    rows = await state.database.read(log_view, min(before, released.size) if before is not None else released.size)
    return render(state, "log.html", rows=rows, released=released, note=released.note.decode(), links=log_links(state))


@router.get("/badge/{credential_id}.svg")
async def badge(request: Request, credential_id: Identifier, state: StateDep) -> Response:
    """A small picture of a credential's present status, to link to its page."""
    view = await state.database.read(credential_view, credential_id)
    text = "unknown" if view is None else view.row.status
    data, digest = badge_svg("datasigil", text)
    response = stored_reply(request, data, etag=digest, media_type="image/svg+xml")
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response


@router.get("/static/site.css")
async def style(request: Request) -> Response:
    """The one stylesheet."""
    data, digest = static("site.css")
    return stored_reply(request, data, etag=digest, media_type="text/css; charset=utf-8", cache="public, max-age=3600")


@router.get("/static/icon.svg")
async def icon(request: Request) -> Response:
    """The picture of a tab."""
    data, digest = static("icon.svg")
    return stored_reply(request, data, etag=digest, media_type="image/svg+xml", cache="public, max-age=3600")


def render(state: State, template: str, *, status: int = 200, policy: str = POLICY, **values: object) -> Response:
    """A page of this registry under its content security policy."""
    text = (
        _environment()
        .get_template(template)
        .render(registry=state.settings.name, public_url=state.settings.public_url, did=state.keys.did, **values)
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(text.encode(), status_code=status, media_type=_HTML, headers=headers)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=4)
def static(name: str) -> tuple[bytes, str]:
    """A file of `static/` and its SHA-256."""
    import hashlib

    data = (_FOLDER / "static" / name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()
