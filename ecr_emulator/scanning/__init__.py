"""Reading an image's packages out of its layers, and matching them with vulnerabilities."""
