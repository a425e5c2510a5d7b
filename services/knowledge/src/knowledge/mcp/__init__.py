"""The MCP server: knowledge bases as tools of agents, at ``/mcp``."""
