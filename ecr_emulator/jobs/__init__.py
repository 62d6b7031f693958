"""Work that outlives a request: queued with the change that caused it, done by workers."""
