"""Refresh schedules: BullMQ job schedulers kept in step with the registry."""
