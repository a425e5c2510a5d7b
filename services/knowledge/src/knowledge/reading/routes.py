"""HTTP of documents."""

from functools import partial
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId, OneVersion
from knowledge.reading import use_cases
from knowledge.reading.wire import MAX_PATH, DocumentJson, ListedJson, document_json, listed_json
from knowledge.resources import ResourcesParam
from servicekit.answers import data, require_storable
from servicekit.auth import CallerParam
from servicekit.keysets import Keyset, Name
from servicekit.list_parameters import CursorParam, Digits, LimitParam, OrderParam
from servicekit.openapi import answering, answering_list
from servicekit.routing import create_api_router
from servicekit.streamed_lists import streamed_data

MAX_CHUNKS = 500
"""In one answer: chunks are up to 8,000 characters long."""

DOCUMENTS = Keyset("documents", tuple[Name], order="asc")
PathPrefix = Annotated[
    str | None,
    Query(alias="prefix", min_length=1, max_length=MAX_PATH, description="Paths that begin so."),
]

router = create_api_router("/api/knowledge-bases", ["documents"])


@router.get("/{kb_id}/documents", **answering_list(ListedJson, errors=NOT_FOUND))
async def list_documents(
    kb_id: BaseId,
    caller: CallerParam,
    resources: ResourcesParam,
    prefix: PathPrefix = None,
    version: OneVersion = None,
    limit: LimitParam = None,
    cursor: CursorParam = None,
    order: OrderParam = None,
) -> Response:
    """The files of the base that have text, by path: all of them, or a page."""
    require_storable([("prefix", prefix), ("version", version)])
    page = DOCUMENTS.page(limit, cursor, order, kb_id, prefix, version)
    source = await use_cases.get_source(resources.pool, kb_id, caller.user_id, version)
    pages = use_cases.list_documents(resources.pool, source, prefix, page)
    to_json = partial(listed_json, source=source)
    return await streamed_data(pages, to_json, page, lambda document: (document.path,))


@router.get(
    "/{kb_id}/documents/{path:path}", **answering(DocumentJson, errors=NOT_FOUND | {404: "There is none."})
)
async def read_document(
    kb_id: BaseId,
    path: Annotated[str, Path(min_length=1, max_length=MAX_PATH, pattern=r"^[^\x00]+$")],
    caller: CallerParam,
    resources: ResourcesParam,
    version: OneVersion = None,
    start: Annotated[
        int, Digits, Query(alias="firstChunk", ge=0, le=2**31 - 1, description="Where to begin.")
    ] = 0,
    limit: Annotated[int, Digits, Query(ge=1, le=MAX_CHUNKS, description="Chunks to read.")] = MAX_CHUNKS,
) -> Response:
    """The text of one file of the base, as it was indexed, with what is known of it."""
    require_storable([("version", version)])
    document = await use_cases.read_document(
        resources.pool, kb_id, path, caller.user_id, version=version, start=start, limit=limit
    )
    return data(document_json(document))
