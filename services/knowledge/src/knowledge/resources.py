"""What knowledge's routes and background work need."""

from dataclasses import dataclass

from knowledge.embeddings import Embedder
from knowledge.queue.worker import QueueWorker
from knowledge.settings import KnowledgeSettings
from knowledge.sources.fetching import Fetcher
from servicekit.service import Resources


@dataclass(slots=True)
class KnowledgeResources(Resources):
    """The shared resources, and knowledge's own."""

    settings: KnowledgeSettings
    embedder: Embedder
    fetcher: Fetcher
    worker: QueueWorker
    seeded: bool = False
    """Whether the registry holds what ``KNOWLEDGE_BASES_FILE`` declares."""
