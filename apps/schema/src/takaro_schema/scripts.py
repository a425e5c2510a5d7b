"""The revisions that this version of the code knows, in one line from first to last."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory

from takaro_schema.errors import MigrationRefused

if TYPE_CHECKING:
    from alembic.script import Script

VERSIONS = Path(__file__).parent / "versions"


@dataclass(slots=True, frozen=True)
class Revision:
    """``holds`` names what its downgrade drops: a table, or a column as ``table.column``."""

    id: str
    name: str
    holds: tuple[str, ...]
    script: "Script"


@dataclass(slots=True, frozen=True)
class Chain:
    """Every revision in the order in which it is applied."""

    directory: ScriptDirectory
    revisions: tuple[Revision, ...]

    @property
    def head(self) -> str:
        """The newest revision's id."""
        return self.revisions[-1].id

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(revision.id for revision in self.revisions)

    def get(self, revision: str) -> Revision:
        """The revision with this id, which must exist."""
        return self.revisions[self.ids.index(revision)]

    def until(self, revision: str) -> "Chain":
        """The same revisions up to this one, as an older version of the code knows them."""
        return Chain(self.directory, self.revisions[: self.ids.index(revision) + 1])

    def tables(self) -> tuple[str, ...]:
        """Every table that any revision created, even if a later one dropped it."""
        held = {name for revision in self.revisions for name in revision.holds if "." not in name}
        return tuple(sorted(held))

    def upgrade_step(self, revision: Revision) -> RevisionStep:
        return RevisionStep(self.directory.revision_map, revision.script, is_upgrade=True)

    def downgrade_step(self, revision: Revision) -> RevisionStep:
        return RevisionStep(self.directory.revision_map, revision.script, is_upgrade=False)


@lru_cache
def load(versions: Path = VERSIONS) -> Chain:
    """Read the revision files of a folder.

    Raises:
        MigrationRefused: the revisions branch, or one doesn't say what rows it holds.
    """
    directory = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])
    heads = directory.get_heads()
    if len(heads) != 1:
        raise MigrationRefused(f"the revisions in {versions} don't form one line: heads {', '.join(heads)}")
    scripts = list(directory.walk_revisions())[::-1]
    if silent := [script.path for script in scripts if not hasattr(script.module, "HOLDS")]:
        raise MigrationRefused(f"these revisions don't say what rows they HOLD: {', '.join(silent)}")
    return Chain(
        directory,
        tuple(
            Revision(script.revision, Path(script.path).stem, tuple(script.module.HOLDS), script)
            for script in scripts
        ),
    )


def head_revision() -> str:
    """The newest revision that this code knows, such as ``"016"``."""
    return load().head
