"""``python -m cockpit`` runs the service."""

from cockpit.app import build
from cockpit.settings import CockpitSettings
from servicekit.running import run

if __name__ == "__main__":
    run(build, CockpitSettings)
