"""The fields of GitHub's payloads that are read. Everything else is ignored."""

from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from common.errors import PermanentError
from knowledge.sources.location import GITHUB
from knowledge.web.address import canonical_url
from knowledge.webhooks.records import Push
from knowledge.webhooks.rules import touched_paths


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Repository(_Payload):
    full_name: Annotated[str, Field(min_length=3)]
    id: int | None = None
    html_url: str = f"https://{GITHUB}"
    default_branch: str = "main"

    def host(self) -> str:
        """GitHub's own, or an Enterprise's; empty if it isn't a web address."""
        with suppress(PermanentError):
            return urlsplit(canonical_url(self.html_url)).netloc
        return ""


class PushedCommit(_Payload):
    added: list[str] = Field(default_factory=list)
    modified: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)

    def paths(self) -> tuple[str, ...]:
        """All paths that the commit added, changed or removed."""
        return (*self.added, *self.modified, *self.removed)


class PushPayload(_Payload):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#push"""

    ref: Annotated[str, Field(min_length=1)]
    repository: Repository
    commits: list[PushedCommit] = Field(default_factory=list)
    created: bool = False
    deleted: bool = False
    forced: bool = False

    def push(self) -> Push:
        """The push, as far as it concerns bases."""
        commits = [commit.paths() for commit in self.commits]
        paths = touched_paths(commits, rewritten=self.created or self.forced)
        at = self.repository
        return Push(at.full_name, self.ref, paths, at.host(), at.default_branch, at.id)


class RequestedSyncJson(TypedDict):
    """A sync that a push requested."""

    knowledgeBaseId: str
    jobId: str


class DeliveryJson(TypedDict):
    """What came of a delivery. ``reason``: why nothing is synced."""

    event: str
    syncs: list[RequestedSyncJson]
    reason: str | None
