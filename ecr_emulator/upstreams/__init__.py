"""The registries that images are cached from, as a client of theirs sees them."""
