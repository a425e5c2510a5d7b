"""What runtimes announce by event: the agents that they serve and the tools that they have."""
