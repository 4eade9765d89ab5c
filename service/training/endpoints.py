"""HTTP face of training: the model credentials that are registered here.

Lives here: models as a collection of their own. Not here: the queue of training jobs (`jobs`).
"""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.credentials.endpoints import Cursor, Limit, Text, query_terms, search_page
from service.credentials.schemas import CredentialPage
from service.credentials.searching import Filter
from service.documentation import READ_PROBLEMS, problems
from service.limits import PAGE_DEFAULT_ITEMS
from service.replies import json_reply
from service.state import StateDep

router = APIRouter(tags=["training"])


@router.get("/models", response_model=CredentialPage, responses={**READ_PROBLEMS, **problems(400)})
async def search_models(
    state: StateDep, q: Text = "", limit: Limit = PAGE_DEFAULT_ITEMS, cursor: Cursor = ""
) -> Response:
    """Registered ModelTrainingCredentials, newest first."""
    wanted = Filter(terms=query_terms(q), type="ModelTrainingCredential")
    return json_reply(await search_page(state, wanted, limit=limit, cursor=cursor))
