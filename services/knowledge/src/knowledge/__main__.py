"""``python -m knowledge`` runs the service."""

from common.service import run
from knowledge.app import build
from knowledge.settings import KnowledgeSettings

if __name__ == "__main__":
    run(build, KnowledgeSettings)
