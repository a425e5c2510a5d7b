"""How much users may use in a day or a month."""
