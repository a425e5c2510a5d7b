"""What knowledge's routes need."""

from dataclasses import dataclass

from knowledge.embeddings import Embedder
from knowledge.settings import KnowledgeSettings
from servicekit.service import Resources


@dataclass(slots=True)
class KnowledgeResources(Resources):
    """The shared resources, and knowledge's own."""

    settings: KnowledgeSettings
    embedder: Embedder
