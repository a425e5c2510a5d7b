"""What a run found, for people."""

from rich.console import Console
from rich.table import Table

from tests.chaos.result import Result


def print_report(console: Console, result: Result) -> None:
    """One table a run, and the first findings of each kind."""
    off = f", without {', '.join(result.without)}" if result.without else ""
    table = Table(
        title=f"seed {result.seed}{off}: {result.seconds:.0f} s", title_justify="left", show_header=False
    )
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(style="dim")
    ways = ", ".join(f"{count} {way}" for way, count in result.accepted.items())
    table.add_row("commands accepted", str(sum(result.accepted.values())), ways)
    unknown = ", ".join(f"{count} {way}" for way, count in result.unknown.items() if count)
    table.add_row(
        "without an answer",
        str(sum(result.unknown.values())),
        f"{unknown or 'none'}; {result.unknown_found} are there",
    )
    table.add_row("published once more", str(result.copies), "the same event id again")
    table.add_row("effects found", str(result.effects), "messages")
    table.add_row("facts found", str(result.facts), f"{result.fact_repeats} repeats, told apart by their ids")
    for kind, found in result.findings.items():
        style = "red" if found else "green"
        table.add_row(_NAMES[kind], f"[{style}]{len(found)}[/]", _DETAILS[kind])
    kills = result.kills["kill"] + result.kills["freeze"]
    detail = f"{result.kills['kill']} killed, {result.kills['freeze']} frozen; "
    table.add_row("kills", str(kills), detail + f"{result.kills['of the active']} hit the active consumer")
    weather = ", ".join(f"{count}x {name}" for name, count in sorted(result.weather.items()))
    table.add_row("servers and network", str(sum(result.weather.values())), weather)
    table.add_row(
        "redeliveries", str(result.redeliveries), "entries taken over from a process that held them"
    )
    table.add_row(
        "recovery",
        f"{result.recovery_median:.2f} s",
        f"median; at most {result.recovery_max:.2f} s, kill to next commit",
    )
    table.add_row(
        "… of the active",
        f"{result.takeover_median:.2f} s",
        f"median; at most {result.takeover_max:.2f} s; the JSON tells of the slowest",
    )
    quiet = "never" if result.quiet_after is None else f"{result.quiet_after:.1f} s"
    table.add_row("quiet after", quiet, "nothing pending, unread or unpublished")
    console.print(table)
    for kind, found in result.findings.items():
        for finding in found[:8]:
            console.print(f"  [red]{_NAMES[kind]}[/]: {finding}", highlight=False)
        if len(found) > 8:
            console.print(f"  … and {len(found) - 8} more {kind}", highlight=False)
    if result.good:
        console.print("[green]proved[/]: nothing lost, doubled, out of order or stuck")
    else:
        console.print(f"[red]failed[/]: {'; '.join(result.failures)}", highlight=False)


_NAMES = {
    "lost": "lost",
    "doubled": "doubled",
    "inversions": "order inversions",
    "stuck": "stuck",
    "dead": "dead letters",
}
_DETAILS = {
    "lost": "accepted, and no message or no fact",
    "doubled": "more than one message or fact",
    "inversions": "read back in another order",
    "stuck": "pending, unread or unpublished",
    "dead": "or rejected: none was expected",
}
