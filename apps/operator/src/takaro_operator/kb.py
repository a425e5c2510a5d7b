"""``takaro kb``: knowledge bases, over the HTTP API that their users have."""

from typing import Annotated

import typer
from rich.text import Text

from takaro_operator.errors import Refusal
from takaro_operator.kb_eval import evaluate
from takaro_operator.kb_options import BaseId, User
from takaro_operator.kb_output import show_base, show_bases, show_syncs
from takaro_operator.kb_search import search
from takaro_operator.kb_watch import follow
from takaro_operator.knowledge_http import KnowledgeClient
from takaro_operator.output import Json, print_json, printable, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

app = typer.Typer(
    help="List, add, sync, schedule, search and remove knowledge bases.",
    no_args_is_help=True,
    add_completion=False,
)

Patterns = list[str] | None

app.command("search")(search)
app.command("eval")(evaluate)


@app.command("list")
def list_bases(user: User = None, as_json: Json = False) -> None:
    """List the bases that you may see: public ones and your own."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            bases = await client.call("GET")
        if as_json:
            print_json({"knowledgeBases": bases})
            return
        if not bases:
            say("no knowledge bases: `takaro kb add` adds one")
            return
        show_bases(bases)

    run(work)


@app.command()
def add(
    base_id: BaseId,
    source: Annotated[str, typer.Argument(help="Such as https://github.com/OWNER/REPO/tree/BRANCH/PATH.")],
    name: Annotated[str | None, typer.Option(help="Its name for people. Default: its id.")] = None,
    description: Annotated[str | None, typer.Option(help="What is in it.")] = None,
    version: Annotated[
        str | None, typer.Option(help="The version of the content; a base can hold several.")
    ] = None,
    extensions: Annotated[
        Patterns, typer.Option("--extension", help="Files to take, such as .md. May be repeated.")
    ] = None,
    include: Annotated[
        Patterns, typer.Option(help="Paths to take: a glob over the whole path. May be repeated.")
    ] = None,
    exclude: Annotated[
        Patterns, typer.Option(help="Paths to leave out: a glob over the whole path. May be repeated.")
    ] = None,
    chunk_size: Annotated[int | None, typer.Option(help="Characters in a chunk.")] = None,
    chunk_overlap: Annotated[
        int | None, typer.Option(help="Characters that neighbouring chunks share.")
    ] = None,
    refresh: Annotated[
        str | None, typer.Option("--refresh", metavar="CRON", help="When to sync: five cron fields, in UTC.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public/--private", help="Whether other users may see it.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the first sync's progress until it ends.")
    ] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Add a base of your own. Its first sync starts at once."""
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
                show_base(base, as_json)
                return
            [first] = await client.call("GET", base_id, "syncs", limit=1)
            await follow(client, base_id, first["jobId"], as_json)

    run(work, until_interrupted=watch)


@app.command()
def sync(
    base_id: BaseId,
    watch: Annotated[bool, typer.Option("--watch", help="Show the sync's progress until it ends.")] = False,
    confirm_removal: Annotated[
        bool,
        typer.Option(
            "--confirm-removal", help="Remove even most of the base, if its files are gone from its source."
        ),
    ] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Request a sync now."""
    wanted = {"confirmRemoval": True} if confirm_removal else None

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            asked = await client.call("POST", base_id, "sync", json=wanted)
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
    cron: Annotated[str | None, typer.Argument(help="Five cron fields, in UTC, such as '0 * * * *'.")] = None,
    off: Annotated[bool, typer.Option("--off", help="End the schedule.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Sync a base of yours on a schedule, or end its schedule."""

    async def work(_: OperatorSettings) -> None:
        if (cron is None) != off:
            raise Refusal("give either a schedule (takaro kb schedule ID '0 * * * *') or --off")
        async with KnowledgeClient(user) as client:
            show_base(await client.call("PUT", base_id, json={"refreshSchedule": cron}), as_json)

    run(work)


@app.command()
def history(
    base_id: BaseId,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
    files: Annotated[bool, typer.Option("--files", help="Also show what happened to each file.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Show the newest syncs: what triggered each, what it did, what went wrong."""

    async def work(_: OperatorSettings) -> None:
        async with KnowledgeClient(user) as client:
            syncs = await client.call("GET", base_id, "syncs", limit=limit)
        if as_json:
            print_json({"syncs": syncs})
            return
        show_syncs(base_id, syncs, files=files)

    run(work)


@app.command()
def remove(
    base_id: BaseId,
    version: Annotated[
        str | None,
        typer.Option(help="Delete only the content of this version, which must not be the current one."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Delete a base of yours, with its content, history and schedule."""

    async def work(_: OperatorSettings) -> None:
        what = base_id if version is None else f"version {version} of {base_id}"
        if not yes and not (screen(errors=True).is_terminal and typer.confirm(f"Delete {what}?", err=True)):
            raise Refusal(f"nothing was deleted: add --yes to delete {what} and all its content")
        of_version = {} if version is None else {"version": version}
        async with KnowledgeClient(user) as client:
            await client.call("DELETE", base_id, **of_version)
        if as_json:
            print_json({"removed": base_id, **of_version})
        else:
            screen().print(Text(f"{printable(what)} removed"))

    run(work)
