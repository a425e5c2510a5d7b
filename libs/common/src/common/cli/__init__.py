"""``takaro``: the operators' command line. Tables for people, ``--json`` for scripts."""

import typer

from common.cli import contracts, migrate, token

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
