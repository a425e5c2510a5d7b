"""Settings of the cockpit service."""

from typing import ClassVar

from pydantic import Field

from servicekit.settings import ServiceSettings


class CockpitSettings(ServiceSettings):
    """Settings of the cockpit service (``COCKPIT_…`` overrides the shared name)."""

    service: ClassVar[str] = "cockpit"

    port: int = Field(3103, ge=0, le=65535, description="HTTP port")
    simulation_interval_seconds: float = Field(
        5, gt=0, description="time between two simulated events on a mock server"
    )
