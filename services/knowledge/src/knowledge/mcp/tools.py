"""The tools: what each does for a caller, and what an agent reads of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.bases.records import BaseView
from knowledge.mcp.wire import ListKnowledgeBases, ReadSource, SearchKnowledge
from knowledge.reading.use_cases import read_document
from knowledge.reading.wire import DocumentJson, document_json
from knowledge.registry.use_cases import list_bases
from knowledge.registry.wire import view_json
from knowledge.resources import KnowledgeResources
from knowledge.search.filters import compile_filter
from knowledge.search.records import Question, Shown, Wanted
from knowledge.search.routes import means_of
from knowledge.search.use_cases import search
from knowledge.search.wire import PassageJson, answer_json
from servicekit.answers import Body
from servicekit.keysets import Keyset, Name, Page

BASES = Keyset("knowledge bases", tuple[Name], order="asc")


@dataclass(slots=True, frozen=True)
class Said:
    """A tool's result: for the model, and for programs."""

    text: str
    structured: Mapping[str, Any]


Run = Callable[[KnowledgeResources, str, Any], Awaitable[Said]]


@dataclass(slots=True, frozen=True)
class Tool:
    """A tool: what it takes, and what it does for a user."""

    title: str
    takes: type[Body]
    run: Run


async def _list(resources: KnowledgeResources, user_id: str, wanted: ListKnowledgeBases) -> Said:
    page: Page[tuple[str, ...]] = BASES.page(wanted.limit, wanted.cursor, None, user_id)
    found: list[BaseView] = []
    async for views in list_bases(resources.pool, user_id, page):
        found += views
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    cursor = page.cursor((shown[-1].id,)) if more else None
    lines = [_line_of(view) for view in shown] or ["There are no knowledge bases."]
    if cursor:
        lines.append(f"There are more: ask with cursor {cursor}")
    return Said("\n".join(lines), {"knowledgeBases": [*map(view_json, shown)], "nextCursor": cursor})


def _line_of(view: BaseView) -> str:
    about = f": {view.description}" if view.description else ""
    synced = view.last_synced_at.date().isoformat() if view.last_synced_at else "never"
    return f"- {view.id} ({view.name}){about} [{view.document_count:,} documents, synced {synced}]"


async def _search(resources: KnowledgeResources, user_id: str, wanted: SearchKnowledge) -> Said:
    asked = Wanted(
        tuple(wanted.knowledge_base_ids),
        user_id,
        wanted.version,
        wanted.limit,
        None,
        compile_filter(wanted.filters),
        resources.questions.model,
    )
    means, shown = means_of(resources), Shown(linked=True)
    [answer] = await search(means, asked, [Question(wanted.query)], wanted.mode, shown)
    hits = answer_json(answer)["hits"]
    return Said(_passages(hits), {"hits": hits})


def _passages(hits: Sequence[PassageJson]) -> str:
    if not hits:
        return "Nothing was found."
    return "\n\n".join(f"[{number}] {_head(hit)}\n{hit['content']}" for number, hit in enumerate(hits, 1))


def _head(hit: PassageJson) -> str:
    place = hit["position"]
    chunk = f", chunk {place['index']}" if place else ""
    headings = " > ".join(hit["headingPath"])
    parts = [
        f"{hit['knowledgeBaseId']}: {hit['sourceFile'] or 'unknown source'}{chunk}",
        *([headings] if headings else []),
        f"{hit['scoreKind']} {hit['score']:.3f}",
        *([hit["link"]] if hit["link"] else []),
    ]
    return " | ".join(parts)


async def _read(resources: KnowledgeResources, user_id: str, wanted: ReadSource) -> Said:
    document = await read_document(
        resources.pool,
        wanted.knowledge_base_id,
        wanted.path,
        user_id,
        version=wanted.version,
        start=wanted.first_chunk,
        limit=wanted.limit,
    )
    shown = document_json(document)
    return Said(_text_of(shown), shown)


def _text_of(shown: DocumentJson) -> str:
    head = " | ".join(filter(None, (shown["path"], shown["title"], shown["link"])))
    following = shown["nextChunk"]
    more = f"\n\n[It goes on: read with firstChunk {following}]" if following is not None else ""
    return f"{head}\n\n{shown['text'] or 'There is no more text.'}{more}"


TOOLS: Mapping[str, Tool] = {
    "list_knowledge_bases": Tool("List knowledge bases", ListKnowledgeBases, _list),
    "search_knowledge": Tool("Search knowledge", SearchKnowledge, _search),
    "read_source": Tool("Read a source file", ReadSource, _read),
}
