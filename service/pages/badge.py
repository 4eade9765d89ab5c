"""The badge: a status as a small SVG.

Lives here: the drawing. Not here: the status.
"""

from __future__ import annotations

import hashlib

_COLOURS = {"active": "#1a7f37", "suspended": "#9a6700", "revoked": "#b42318", "unknown": "#57606a"}
_CHARACTER = 7
_PADDING = 12


def badge_svg(label: str, status: str) -> tuple[bytes, str]:
    """The badge and its SHA-256; both texts are ours, never a publisher's."""
    left, right = (_PADDING + _CHARACTER * len(text) for text in (label, status))
    colour = _COLOURS[status]
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{label}: {status}">'
        f"<title>{label}: {status}</title>"
        f'<rect width="{left}" height="20" rx="3" fill="#24292f"/><rect x="{left}" width="{right}" height="20" rx="3" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{label}</text><text x="{left + right / 2}" y="14">{status}</text></g></svg>'
    ).encode()
    return picture, hashlib.sha256(picture).hexdigest()
