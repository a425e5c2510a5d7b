"""``python -m knowledge`` runs the service."""

from knowledge.app import build
from knowledge.settings import KnowledgeSettings
from servicekit.running import run

if __name__ == "__main__":
    run(build, KnowledgeSettings)
