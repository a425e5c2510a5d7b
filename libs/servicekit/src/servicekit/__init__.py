"""Composing and running a service: HTTP, authentication, server-sent events, health."""
