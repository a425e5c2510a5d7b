"""The events of a session: stored in order, and followed live by any number of tabs."""
