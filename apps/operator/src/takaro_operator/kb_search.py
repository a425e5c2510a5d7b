"""``takaro kb search``: asks, and shows the answers as a person reads them."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from rich.rule import Rule
from rich.text import Text

from common import codec
from takaro_operator.completion import complete_base
from takaro_operator.errors import Failure, Refusal
from takaro_operator.kb_options import BaseId, User
from takaro_operator.knowledge_http import KnowledgeClient
from takaro_operator.output import Json, print_json, printable, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

_WORD = re.compile(r"\w+")
_LEAST_WORD = 3
_COMMON = re.compile(
    "and|are|but|can|could|did|does|for|from|had|has|have|how|into|its|may|not|our|should|that|the|their|them|"
    "then|there|these|they|this|those|was|were|what|when|where|which|who|why|will|with|would|you|your"
)
"""Words of questions that say nothing of their subject."""


def search(
    base_id: BaseId,
    question: Annotated[str, typer.Argument(help="A question in plain language.")],
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="ID", help="Another base to search.", autocompletion=complete_base),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 5,
    mode: Annotated[
        Literal["hybrid", "vector", "text"],
        typer.Option(help="By meaning and words, by meaning, or by words."),
    ] = "hybrid",
    version: Annotated[
        str | None, typer.Option(help="Search this version instead of the base's current one.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Only files whose path begins so.")] = None,
    filters: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help='Such as {"frontMatter.tags": ["setup", "linux"]}.'),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", min=-1, max=1, help="The least similarity.")
    ] = None,
    neighbours: Annotated[
        int, typer.Option("--neighbours", min=0, max=3, help="Also show chunks before and after each.")
    ] = 0,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Sort the best passages with the service's reranker.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say how the answer was found.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Show the passages that answer QUESTION."""

    async def work(_: OperatorSettings) -> None:
        wanted = {
            "knowledgeBaseIds": [base_id, *(also or [])],
            "query": question,
            "limit": limit,
            "mode": mode,
            "version": version,
            "filters": _filters(filters, path),
            "minScore": min_score,
            "neighbours": neighbours,
            "rerank": rerank,
            "explain": explain,
        }
        async with KnowledgeClient(user, root="/api") as client:
            [answer] = await client.call("POST", "search", json=wanted)
        if as_json:
            print_json(answer)
        if not answer["hits"]:
            raise Failure("nothing found: is the base synced? `takaro kb history` shows its syncs")
        if not as_json:
            show_hits(answer["hits"], question, several=bool(also))
            if explain:
                _explain(answer["explain"])

    run(work)


def _filters(text: str | None, path: str | None) -> dict[str, Any]:
    try:
        filters = codec.loads(text) if text else {}
    except ValueError as error:
        raise Refusal(f"--filter isn't JSON: {error}") from error
    if not isinstance(filters, dict):
        raise Refusal("--filter is a JSON object")
    return filters | ({"path": {"prefix": path}} if path else {})


def show_hits(hits: Sequence[dict[str, Any]], question: str, *, several: bool) -> None:
    """Each passage with its score, its place and its link; words of the question stand out. The best is the
    first."""
    words = _words_of(question)
    page = screen()
    for number, hit in enumerate(hits, 1):
        if number > 1:
            page.print(Rule(style="dim") if page.is_terminal else "")
        page.print(_head(number, hit, several=several))
        if hit["link"]:
            page.print(_link(hit["link"]))
        around = hit.get("neighbours") or {"before": [], "after": []}
        for text in around["before"]:
            page.print(_passage(text, None, "dim"))
        page.print(_passage(hit["content"], words, ""))
        for text in around["after"]:
            page.print(_passage(text, None, "dim"))


def _head(number: int, hit: dict[str, Any], *, several: bool) -> Text:
    kind = printable(hit["scoreKind"])
    similar = f", cosine {hit['cosine']:.3f}" if hit["cosine"] is not None and kind != "cosine" else ""
    head = Text.assemble((f"{number}. ", "dim"), (f"{kind} {hit['score']:.3f}{similar}  ", "green"))
    if several:
        head.append(f"{printable(hit['knowledgeBaseId'])}: ", "cyan")
    head.append(printable(hit["sourceFile"] or "an unknown file"), "bold")
    if headings := " › ".join(map(printable, hit["headingPath"])):  # noqa: RUF001 - as sites write paths
        head.append(f"  {headings}", "italic")
    if place := hit["position"]:
        total = f" of {place['total']}" if place["total"] else ""
        head.append(f"  (part {place['index'] + 1}{total})", "dim")
    return head


def _link(link: str) -> Text:
    """A terminal that knows links opens it at a click."""
    shown = printable(link)
    safe = shown == link and link.startswith(("https://", "http://"))
    return Text(f"   {shown}", style=f"blue link {link}" if safe else "blue")


def _passage(content: str, words: re.Pattern[str] | None, style: str) -> Text:
    text = Text("\n".join(printable(line) for line in content.strip("\n").splitlines()), style=style)
    if words:
        text.highlight_regex(words, style="bold yellow")
    return text


def _words_of(question: str) -> re.Pattern[str] | None:
    """Finds the question's words, and longer forms of them."""
    words = {
        word
        for word in _WORD.findall(question.casefold())
        if len(word) >= _LEAST_WORD and not _COMMON.fullmatch(word)
    }
    if not words:
        return None
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\w*", re.IGNORECASE)


def _explain(explained: dict[str, Any]) -> None:
    say(f"plan: {explained['plan']} ({explained['reason']})")
    if reason := explained.get("notReranked"):
        say(f"not reranked: {reason}")
    for part, milliseconds in explained["milliseconds"].items():
        say(f"{part}: {milliseconds:.1f} ms")
