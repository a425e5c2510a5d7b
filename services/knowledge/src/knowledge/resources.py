"""What knowledge's routes need."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from knowledge.embeddings import Embedder
from knowledge.embeddings.questions import Questions
from knowledge.embeddings.reranking import Reranker
from knowledge.settings import KnowledgeSettings
from servicekit.service import Resources, get_resources


@dataclass(slots=True)
class KnowledgeResources(Resources):
    """The shared resources, and knowledge's own."""

    settings: KnowledgeSettings
    embedder: Embedder
    questions: Questions
    reranker: Reranker | None


ResourcesParam = Annotated[KnowledgeResources, Depends(get_resources)]
