"""What is done with knowledge bases: users create them, the settings file seeds them, jobs describe them."""
