"""``python -m chat`` runs the service."""

from chat.app import build
from chat.settings import ChatSettings
from servicekit.running import run

if __name__ == "__main__":
    run(build, ChatSettings)
