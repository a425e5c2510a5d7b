"""Progress bars, the same in every command."""

from rich.progress import Progress, ProgressColumn

from takaro_operator.output import screen


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A progress bar with these columns, or rich's, on the error stream, if that is a terminal.

    A context manager that takes the bar away at the end.
    """
    console = screen(errors=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
