"""HTTP face of a witness: `POST /add-checkpoint`, and `GET /` for people.

Lives here: parse, call, answer, as C2SP tlog-witness has it. Not here: the decision (`witness`).
"""

from __future__ import annotations

import logging

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from datasigil.transparency.proofs import LOG_PROOF_MAX_BYTES
from service.witnessing.witness import Refused, Witness

SIZE_TYPE = "text/x.tlog.size"
log = logging.getLogger("service.witness")


def create_witness_app(witness: Witness) -> Starlette:
    """The witness as an ASGI app."""

    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > LOG_PROOF_MAX_BYTES:
                    return _text("the request is too large", 413, {"Connection": "close"})
        except ClientDisconnect:
            return _text("the connection ended before the body did", 400)
        try:
            line = await anyio.to_thread.run_sync(witness.add_checkpoint, bytes(body))
        except Refused as refused:
            log.info("refused", extra={"fields": {"code": refused.code, "status": refused.status}})
            if refused.size is not None:
                return Response(f"{refused.size}\n", refused.status, headers={"Content-Type": SIZE_TYPE})
            return _text(f"{refused.code}: {refused.message}", refused.status)
        except OSError as error:
            log.error("cannot store", extra={"fields": {"reason": error.strerror or ""}})  # noqa: TRY400 - no traceback: ids only
            return _text("the witness cannot store its state now; nothing was signed", 507, {"Retry-After": "30"})
        log.info("cosigned", extra={"fields": {"bytes": len(body)}})
        return _text(line, 200)

    async def front(_: Request) -> Response:
        return _text(f"A witness of transparency logs (C2SP tlog-witness).\n{witness.key}", 200)

    routes = [Route("/add-checkpoint", add_checkpoint, methods=["POST"]), Route("/", front), Route("/healthz", front)]
    return Starlette(routes=routes)


def _text(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    held = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", **(headers or {})}
    return PlainTextResponse(text if text.endswith("\n") else text + "\n", status, headers=held)
