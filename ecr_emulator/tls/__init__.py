"""HTTPS with certificates of our own: an authority kept in the data folder, and what it issues."""
