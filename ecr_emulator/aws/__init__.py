"""The AWS door: the JSON 1.1 and Query protocols, signatures and operations."""
