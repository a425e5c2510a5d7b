"""Which files of tests a worker runs one after another, so that they share what is slow to start."""

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

_TOGETHER = ("tests/e2e/", "tests/integration/cockpit/")
"""Their tests share running services (fixtures of the package)."""


class Sharing(LoadFileScheduling):  # type: ignore[misc]
    """Hands out whole files, as ``--dist loadfile`` does, and some folders as one file."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((folder for folder in _TOGETHER if file.startswith(folder)), file)
