"""``takaro kb``: knowledge bases, over HTTP as their users have them."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from takaro_operator.kb_watch import follow
from takaro_operator.knowledge_http import KnowledgeClient
from takaro_operator.output import Json, make_table, print_json, printable, say, screen
from takaro_operator.running import OperatorSettings, Refusal, run

app = typer.Typer(
    help="Knowledge bases: list, add, sync, schedule, history, search, remove.",
    no_args_is_help=True,
    add_completion=False,
)

User = Annotated[
    str | None, typer.Option("--user", help="Who is asking, where AUTH_MODE=dev; else TAKARO_TOKEN says it.")
]
BaseId = Annotated[str, typer.Argument(metavar="ID", help="The knowledge base.")]
Patterns = list[str] | None


@app.command("list")
def list_bases(user: User = None, as_json: Json = False) -> None:
    """Show the bases that you see: public ones and your own."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            bases = await client.call("GET")
        if as_json:
            print_json({"knowledgeBases": bases})
            return
        if not bases:
            say("no knowledge bases: `takaro kb add` makes one")
            return
        headings = (
            "id",
            "name",
            "state",
            "files",
            "commit",
            "synced",
            "schedule",
            "source",
            "what went wrong",
        )
        table = make_table("Knowledge bases", *headings)
        for base in bases:
            _row(
                table,
                base["id"],
                base["name"],
                base.get("state"),
                base["documentCount"],
                (base["lastCommitSha"] or "")[:12],
                base["lastSyncedAt"] or "never",
                base["refreshSchedule"],
                base["source"],
                base.get("lastError"),
            )
        screen().print(table)

    run(work)


@app.command()
def add(
    base_id: BaseId,
    source: Annotated[str, typer.Argument(help="https://github.com/OWNER/REPO/tree/BRANCH/PATH and others.")],
    name: Annotated[str | None, typer.Option(help="What people call it; else its id.")] = None,
    description: Annotated[str | None, typer.Option(help="What is in it.")] = None,
    version: Annotated[str | None, typer.Option(help="Versions stand side by side.")] = None,
    extensions: Annotated[Patterns, typer.Option("--extension", help="Such as .md; again for more.")] = None,
    include: Annotated[Patterns, typer.Option(help="Glob over the whole path; again for more.")] = None,
    exclude: Annotated[Patterns, typer.Option(help="Glob over the whole path; again for more.")] = None,
    chunk_size: Annotated[int | None, typer.Option(help="Characters.")] = None,
    chunk_overlap: Annotated[int | None, typer.Option(help="Characters.")] = None,
    refresh: Annotated[
        str | None, typer.Option("--refresh", metavar="CRON", help="Five fields, in UTC.")
    ] = None,
    public: Annotated[bool, typer.Option("--public/--private", help="Whether others see it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until its first sync has ended.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Register a base of yours. Its first sync begins at once."""
    wanted = {
        "id": base_id,
        "name": name or base_id,
        "description": description,
        "source": source,
        "version": version,
        "extensions": extensions,
        "include": include,
        "exclude": exclude,
        "chunkSize": chunk_size,
        "chunkOverlap": chunk_overlap,
        "refreshSchedule": refresh,
        "public": public,
    }

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            body = {key: value for key, value in wanted.items() if value is not None}
            base = await client.call("POST", json=body)
            if not watch:
                _say_base(base, as_json)
                return
            [first] = await client.call("GET", base_id, "syncs", limit=1)
            await follow(client, base_id, first["jobId"], as_json)

    run(work, until_interrupted=watch)


@app.command()
def sync(
    base_id: BaseId,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay until it has ended, with its progress.")
    ] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Ask for a sync now."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            asked = await client.call("POST", base_id, "sync")
            if watch:
                await follow(client, base_id, asked["jobId"], as_json)
            elif as_json:
                print_json(asked)
            else:
                screen().print(Text(f"{asked['jobId']} {asked['status']}"))

    run(work, until_interrupted=watch)


@app.command()
def schedule(
    base_id: BaseId,
    cron: Annotated[str | None, typer.Argument(help="Five fields in UTC, such as '0 * * * *'.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Sync only when asked.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Sync a base of yours regularly, or no longer."""

    async def work(_: OperatorSettings) -> None:
        if (cron is None) != off:
            raise Refusal("say when (takaro kb schedule ID '0 * * * *'), or --off")
        async with KnowledgeClient(user) as client:
            _say_base(await client.call("PUT", base_id, json={"refreshSchedule": cron}), as_json)

    run(work)


@app.command()
def history(
    base_id: BaseId,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
    files: Annotated[bool, typer.Option("--files", help="What became of each file, too.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Show the newest syncs: what asked for each, what it did, what went wrong."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            syncs = await client.call("GET", base_id, "syncs", limit=limit)
        if as_json:
            print_json({"syncs": syncs})
            return
        headings = ("asked for", "by", "state", "type", "commit", "+ ~ - files", "chunks", "what went wrong")
        table = make_table(f"Syncs of {printable(base_id)}", *headings)
        for entry in syncs:
            done = entry["commit"] is not None
            _row(
                table,
                entry["createdAt"],
                entry["trigger"],
                entry["state"],
                entry["type"],
                (entry["commit"] or "")[:12],
                f"{entry['added']} {entry['modified']} {entry['removed']}" if done else "",
                f"+{entry['chunksCreated']} -{entry['chunksRemoved']}" if done else "",
                entry["error"],
            )
        screen().print(table)
        if files:
            screen().print(_files_table(syncs))

    run(work)


@app.command()
def search(
    base_id: BaseId,
    question: Annotated[str, typer.Argument(help="In plain words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50)] = 5,
    version: Annotated[str | None, typer.Option(help="Another version than the base's own.")] = None,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Show the chunks nearest to QUESTION."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            of_version = {} if version is None else {"version": version}
            hits = await client.call("GET", base_id, "search", q=question, limit=limit, **of_version)
        if as_json:
            print_json({"hits": hits})
            return
        if not hits:
            say("nothing found: is the base synced? `takaro kb history` tells")
        for hit in hits:
            where = printable(str(hit["metadata"].get("sourceFile", "")))
            screen().print(Text.assemble((f"{hit['score']:.3f} ", "green"), (where, "bold")))
            lines = [printable(line) for line in hit["content"].splitlines()]
            screen().print(Text("\n".join([*lines, ""])))

    run(work)


@app.command()
def remove(
    base_id: BaseId,
    version: Annotated[
        str | None, typer.Option(help="Only the content of this version, which isn't the base's own.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Delete a base of yours, with its content, history and schedule."""

    async def work(_: OperatorSettings) -> None:
        what = base_id if version is None else f"version {version} of {base_id}"
        if not yes and not (screen(errors=True).is_terminal and typer.confirm(f"Delete {what}?", err=True)):
            raise Refusal(f"nothing was deleted: say --yes to delete {what} and all its content")
        of_version = {} if version is None else {"version": version}
        async with KnowledgeClient(user) as client:
            await client.call("DELETE", base_id, **of_version)
        if as_json:
            print_json({"removed": base_id, **of_version})
        else:
            screen().print(Text(f"{printable(what)} removed"))

    run(work)


def _say_base(base: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(base)
        return
    for key, value in base.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in (None, ""):
            screen().print(Text(f"{key:<17}{printable(str(shown))}"))


def _row(table: Table, *cells: object) -> None:
    table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in cells))


def _files_table(syncs: list[dict[str, Any]]) -> Table:
    table = make_table("Files that changed, or have no content", "sync", "file", "outcome", "reason")
    for entry in syncs:
        for file in entry["files"]:
            outcome = " ".join(filter(None, [file["change"], file["outcome"]]))
            _row(table, entry["createdAt"], file["path"], outcome, file["reason"])
        if entry["filesOmitted"]:
            _row(table, entry["createdAt"], f"… and {entry['filesOmitted']} more", "", "")
    return table
