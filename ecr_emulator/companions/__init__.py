"""The other AWS services of the installation: moto, in one process that all workers ask."""
