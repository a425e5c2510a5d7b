"""The page on which people play: served from here alone, it calls the same API as everybody."""
