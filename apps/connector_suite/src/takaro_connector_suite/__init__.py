"""Checks a game server's connection to Takaro against the documented protocol.

:mod:`~takaro_connector_suite.takaro` is a server that plays Takaro. ``python -m takaro_connector_suite
--command '…'`` starts a connector against it and runs every case.
"""
