"""A local Amazon Elastic Container Registry: ECR's API and the OCI registry over one store."""

__version__ = "0.1.0"
