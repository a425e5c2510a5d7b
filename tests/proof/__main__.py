"""``python -m tests.proof``: break the services for some minutes and count what became of every command."""

import argparse
import asyncio
import json
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.proof import run as runs
from tests.proof.launch import MECHANISMS
from tests.proof.plan import Plan
from tests.proof.report import print_report
from tests.proof.summary import Summary

COMMANDS_PER_SECOND = 90


def main() -> int:
    """Run each seed. Returns 0 if every one is good."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    summaries = []
    for seed in arguments.seeds:
        folder = arguments.folder / f"seed-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        plan = Plan(
            seed=seed,
            folder=folder,
            commands=arguments.commands or max(10_000, round(arguments.seconds * COMMANDS_PER_SECOND)),
            conversations=arguments.conversations,
            seconds=arguments.seconds,
            processes=arguments.processes,
            cockpit_processes=arguments.cockpit_processes,
            knowledge_processes=arguments.knowledge_processes,
            runtimes=arguments.runtimes,
            least_kills=arguments.least_kills,
            least_redeliveries=arguments.least_redeliveries,
            without=tuple(arguments.without),
        )
        summary = _run(console, plan)
        print_report(console, summary)
        (arguments.folder / f"seed-{seed}.json").write_text(json.dumps(summary.to_json(), indent=2))
        summaries.append(summary)
    console.print(f"reports: {arguments.folder}/seed-*.json, logs beside them")
    return 0 if all(summary.good for summary in summaries) else 1


def _run(console: Console, plan: Plan) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=plan.commands)

        def show(state: runs.Progress) -> None:
            description = f"seed {plan.seed}: {state.phase}, {state.kills} kills"
            progress.update(task, completed=state.published, description=description)

        return asyncio.run(runs.run(plan, show))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, help="how long each seed's load lasts")
    parser.add_argument("--seconds", type=float, default=105.0, help="the same in seconds")
    parser.add_argument("--commands", type=int, help="10,000, or as many as keep that pace for longer")
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--processes", type=int, default=3, help="of chat")
    parser.add_argument("--cockpit-processes", type=int, default=2, help="0: without cockpit")
    parser.add_argument("--knowledge-processes", type=int, default=2, help="0: without knowledge")
    parser.add_argument("--runtimes", type=int, default=4, help="0: without turns")
    parser.add_argument("--least-kills", type=int, default=40, help="of chat; a tenth elsewhere")
    parser.add_argument("--least-redeliveries", type=int, default=10)
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=MECHANISMS,
        metavar="MECHANISM",
        help=f"switch a mechanism off, and see the run fail: {', '.join(MECHANISMS)}",
    )
    parser.add_argument("--folder", type=Path, default=Path(".local/prove"), help="logs, data and reports")
    arguments = parser.parse_args()
    if arguments.minutes is not None:
        arguments.seconds = arguments.minutes * 60
    arguments.folder = arguments.folder.resolve()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
