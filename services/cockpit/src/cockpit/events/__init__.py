"""What happened in a session: kept in order, followed live by any number of tabs."""
