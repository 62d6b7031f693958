"""Both wire forms of credentials, principals and what they may do."""
