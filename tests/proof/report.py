"""What a run found, for people."""

from rich.console import Console
from rich.table import Table

from tests.proof.summary import Summary


def print_report(console: Console, summary: Summary) -> None:
    """One table a run, and the first findings of each kind."""
    off = f", without {', '.join(summary.without)}" if summary.without else ""
    table = Table(
        title=f"seed {summary.seed}{off}: {summary.seconds:.0f} s", title_justify="left", show_header=False
    )
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(style="dim")
    ways = ", ".join(f"{count} {way}" for way, count in summary.accepted.items())
    parts = summary.parts.values()
    table.add_row("commands accepted", str(sum(part.accepted for part in parts)), f"chat's: {ways}")
    unknown = ", ".join(f"{count} {way}" for way, count in summary.unknown.items() if count)
    table.add_row(
        "without an answer",
        str(sum(part.unknown for part in parts)),
        f"chat's: {unknown or 'none'}; {summary.unknown_found} of them are there",
    )
    table.add_row("published once more", str(summary.copies), "the same event id again")
    table.add_row("effects found", str(sum(part.effects for part in parts)), "as below")
    repeats = sum(part.fact_repeats for part in parts)
    facts = sum(part.facts for part in parts)
    table.add_row("facts found", str(facts), f"{repeats} repeats, told apart by their ids")
    for kind, found in summary.findings.items():
        style = "red" if found else "green"
        table.add_row(_NAMES[kind], f"[{style}]{len(found)}[/]", _DETAILS[kind])
    kills = summary.kills["kill"] + summary.kills["freeze"]
    detail = f"{summary.kills['kill']} killed, {summary.kills['freeze']} frozen; "
    table.add_row("kills", str(kills), detail + f"{summary.kills['of the active']} hit a consumer")
    if summary.strikes:
        steps = len({strike.partition(", ")[0] for strike in summary.strikes})
        detail = f"a runtime or the chat that it asks, at {steps} steps of a turn; the JSON has them"
        table.add_row("… of these in turns", str(sum(summary.strikes.values())), detail)
    weather = ", ".join(f"{count}x {name}" for name, count in sorted(summary.weather.items()))
    table.add_row("servers and network", str(sum(summary.weather.values())), weather)
    table.add_row(
        "redeliveries", str(summary.redeliveries), "entries taken over from a process that held them"
    )
    table.add_row(
        "recovery",
        f"{summary.recovery_median:.2f} s",
        f"median; at most {summary.recovery_max:.2f} s, kill of a chat to its stream's next commit",
    )
    table.add_row(
        "… of the active",
        f"{summary.takeover_median:.2f} s",
        f"median; at most {summary.takeover_max:.2f} s; the JSON names the slowest",
    )
    quiet = "never" if summary.quiet_after is None else f"{summary.quiet_after:.1f} s"
    table.add_row("quiet after", quiet, "nothing pending, unread or unpublished")
    console.print(table)
    console.print(_by_service(summary))
    for kind, found in summary.findings.items():
        for service in summary.parts:
            of_service = [finding for finding in found if finding.startswith(f"{service}: ")]
            for finding in of_service[:_SHOWN]:
                console.print(f"  [red]{_NAMES[kind]}[/]: {finding}", highlight=False)
            if len(of_service) > _SHOWN:
                console.print(f"  … and {len(of_service) - _SHOWN} more {kind} in {service}", highlight=False)
    if summary.good:
        console.print("[green]proved[/]: nothing lost, doubled, out of order or stuck")
    else:
        console.print(f"[red]failed[/]: {'; '.join(summary.failures)}", highlight=False)


def _by_service(summary: Summary) -> Table:
    table = Table()
    for name in ("service", "accepted", "effects", *_NAMES, "killed", "frozen", "redelivered"):
        table.add_column(name, justify="left" if name == "service" else "right")
    table.add_column("effects are", style="dim")
    for service, part in summary.parts.items():
        found = [f"[{'red' if count else 'green'}]{count}[/]" for count in part.findings.values()]
        counts = [str(part.accepted), str(part.effects), *found, str(part.killed), str(part.frozen)]
        counts.append(str(part.redeliveries))
        table.add_row(service, *counts, part.about)
    return table


_SHOWN = 5
_NAMES = {
    "lost": "lost",
    "doubled": "doubled",
    "inversions": "order inversions",
    "stuck": "stuck",
    "dead": "dead letters",
}
_DETAILS = {
    "lost": "accepted, and no effect or no fact",
    "doubled": "more than one effect or fact",
    "inversions": "read back in another order",
    "stuck": "pending, unread, unpublished or unfinished",
    "dead": "or rejected: none was expected",
}
