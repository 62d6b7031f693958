"""Content-addressed bytes: the blob store interface and its implementations."""
