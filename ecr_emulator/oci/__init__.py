"""The OCI Distribution door."""
