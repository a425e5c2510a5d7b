"""How much of what a reader sees is found in some chunk, over documentation that packages ship."""
