"""Signatures of images in the formats of cosign and of the Notary Project, and whom to trust."""
