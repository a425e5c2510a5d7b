"""``takaro``: the operators' command line. Tables for people, ``--json`` for scripts."""

import typer

from common.cli import contracts, dead, event, events, migrate, outbox, streams, token, trace

app = typer.Typer(
    name="takaro",
    help="Operate the data plane of Takaro's agents.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("migrate")(migrate.migrate)
app.command("rollback")(migrate.rollback)
app.command("schema")(migrate.status)
app.command("token")(token.token)
app.command("contracts")(contracts.contracts)
app.add_typer(events.app, name="events")
app.add_typer(dead.app, name="dead")
app.command("streams")(streams.streams)
app.command("outbox")(outbox.outbox)
app.command("event")(event.event)
app.command("trace")(trace.trace)
