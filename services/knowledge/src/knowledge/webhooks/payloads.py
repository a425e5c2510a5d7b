"""What of GitHub's payloads is read. Everything else is ignored."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from knowledge.sources.location import GITHUB
from knowledge.webhooks.rules import Push, touched_paths


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Repository(_Payload):
    full_name: Annotated[str, Field(min_length=3)]
    html_url: str = f"https://{GITHUB}"
    default_branch: str = "main"


class PushedCommit(_Payload):
    added: list[str] = Field(default_factory=list)
    modified: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)

    def paths(self) -> tuple[str, ...]:
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
        commits = [commit.paths() for commit in self.commits]
        paths = touched_paths(commits, rewritten=self.created or self.forced)
        at = self.repository
        host = urlsplit(at.html_url).netloc.lower()
        return Push(at.full_name, self.ref, paths, host, at.default_branch)
