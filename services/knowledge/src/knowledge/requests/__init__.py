"""Requests for syncs: from HTTP, commands, webhooks and the registry."""
