"""What a base's people should know when its repository isn't where its source says. Pure."""

from urllib.parse import urlsplit

from knowledge.sources import Findings, Repository


def place_of(url: str) -> str:
    """``<host>/<path>`` of a Git remote, without ``.git``."""
    parts = urlsplit(url)
    return f"{parts.netloc}/{parts.path.strip('/').removesuffix('.git')}"


def findings_of(source: str, found: Repository | None, known: Repository | None) -> Findings:
    """``source`` is the place that the source names, ``found`` what is there now, ``known`` what was there at
    the last sync."""
    if found is None:
        return Findings(repository=known)
    notices = []
    if found.name.casefold() != source.casefold():
        notices.append(
            f"{source} is now {found.name}: name that in the source, before somebody else takes the old name"
        )
    if known and known.id and found.id and found.id != known.id:
        notices.append(
            f"{source} is another repository than before: GitHub's number of it was {known.id:d} and is now "
            f"{found.id:d}"
        )
    return Findings(tuple(notices), found)
