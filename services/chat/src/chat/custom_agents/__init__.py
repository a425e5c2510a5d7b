"""Agents that users make."""
