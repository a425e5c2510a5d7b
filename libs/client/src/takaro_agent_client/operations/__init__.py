"""What can be asked of the services. Each function returns a value that either client sends."""
