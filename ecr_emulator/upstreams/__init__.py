"""Other registries, as a client sees them: those that images are cached from, and other emulators
that they are replicated to."""
