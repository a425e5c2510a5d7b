"""The probe in a separate process, to be killed; its settings come from the environment."""

import asyncio
import signal

from backbone.backbone import Backbone
from common.notifications import Notifications
from tests.support.probe import COMMANDS, FACTS, Probe, ProbeSettings


async def main() -> None:
    settings = ProbeSettings()
    notifications = Notifications(settings)
    listening = asyncio.create_task(notifications.run())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        async with Backbone(settings, notifications, {COMMANDS: Probe().router}, FACTS):
            await stop.wait()
    finally:
        listening.cancel()


if __name__ == "__main__":
    asyncio.run(main())
