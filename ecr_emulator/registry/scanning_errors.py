"""What can go wrong in image scanning; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import LimitExceeded, RegistryError


class ScanNotFound(RegistryError):
    """The image was never scanned."""

    code = "ScanNotFoundException"

    def __init__(self, digest: str | None, tag: str | None, name: str, account: str) -> None:
        super().__init__(
            f"Image scan does not exist for the image with '{{imageDigest:'{digest or 'null'}', "
            f"imageTag:'{tag or 'null'}'}}' in the repository with name '{name}' in the "
            f"registry with id '{account}'"
        )


class UnsupportedImageType(RegistryError):
    """The image is an index, or an artifact that holds no file system."""

    code = "UnsupportedImageTypeException"

    def __init__(self, media_type: str) -> None:
        # Observed with an index; that other artifacts are named the same way is likeliest.
        super().__init__(
            f"An artifact with media type '{media_type}' cannot be scanned. For more "
            "information, see the Amazon ECR documentation."
        )


class ImageArchived(RegistryError):
    """The image is archived, or on its way back."""

    code = "ImageArchivedException"

    def __init__(self) -> None:
        # The service model's description of the exception.
        super().__init__("The specified image is archived and cannot be scanned.")


class ScanQuotaExceeded(LimitExceeded):
    """The image was scanned within the last day."""

    def __init__(self) -> None:
        super().__init__("The scan quota per image has been exceeded. Wait and try again.")


class RegistryScanQuotaExceeded(LimitExceeded):
    """The registry has started as many scans within the last day as it may."""

    def __init__(self) -> None:
        # Likeliest, after the text for one image.
        super().__init__("The scan quota per registry has been exceeded. Wait and try again.")
