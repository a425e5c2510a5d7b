"""Conversations that go on from a message of another one."""
