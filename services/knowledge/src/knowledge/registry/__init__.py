"""What is done with knowledge bases: users make them, the settings file seeds them, jobs describe them."""
