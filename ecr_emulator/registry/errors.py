"""What can go wrong in a registry, in ECR's own words.

Each class carries the name of the exception in ECR's service model; the AWS door answers
with that name and the message, the OCI door with the code it maps the class to. Every
message text of the domain stands here. Sources, unless a comment says otherwise: texts
that public issue threads and test suites show ECR answering. "Likeliest" marks a wording
that no source shows, made after the pattern of the ones around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class RegistryError(Exception):
    """An answer that refuses a request.

    :param message: the text for the caller.
    :param fields: further members of the modelled exception.
    """

    code: ClassVar[str]

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


def _in_repository(name: str, account: str) -> str:
    return f"the repository with name '{name}' in the registry with id '{account}'"


class InvalidParameter(RegistryError):
    """A parameter breaks a rule that the service model does not state."""

    code = "InvalidParameterException"

    @classmethod
    def at(cls, member: str, constraint: str) -> InvalidParameter:
        """Return the error for *member* failing *constraint*."""
        return cls(f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'")


class ValidationFailure(RegistryError):
    """A newer operation's refusal of a parameter."""

    code = "ValidationException"


class InvalidTagParameter(RegistryError):
    """A resource tag that AWS does not allow."""

    code = "InvalidTagParameterException"


class TooManyTags(RegistryError):
    """More resource tags than a repository may have."""

    code = "TooManyTagsException"

    def __init__(self, name: str, limit: int) -> None:
        # Likeliest.
        super().__init__(f"The repository with name '{name}' cannot have more than {limit} tags")


class LimitExceeded(RegistryError):
    """A service quota is used up."""

    code = "LimitExceededException"

    @classmethod
    def of_repositories(cls, account: str, quota: int) -> LimitExceeded:
        """Return the error for one repository too many."""
        return cls(  # Likeliest, after the next one.
            f"The registry with id '{account}' already has the maximum allowed number of "
            f"repositories which is '{quota}'"
        )

    @classmethod
    def of_images(cls, name: str, account: str, quota: int) -> LimitExceeded:
        """Return the error for one image too many."""
        return cls(
            f"The repository with name '{name}' in registry with id '{account}' already has the "
            f"maximum allowed number of images which is '{quota}'"
        )

    @classmethod
    def of_tags(cls, tag: str, name: str, account: str, quota: int) -> LimitExceeded:
        """Return the error for one tag of an image too many."""
        return cls(
            f"Adding tag '{tag}' to an image in the repository with name '{name}' in registry "
            f"with id '{account}' exceeds the maximum allowed number of tags per image which is "
            f"'{quota}'"
        )

    @classmethod
    def of_layer_parts(cls, quota: int) -> LimitExceeded:
        """Return the error for one part of a layer too many."""
        return cls(f"The maximum number of layer parts ({quota}) has been reached")  # likeliest

    @classmethod
    def of_layer_size(cls, quota: int) -> LimitExceeded:
        """Return the error for a layer that is too large; *quota* is in MiB."""
        return cls(f"The maximum layer size ({quota} MiB) has been reached")  # likeliest


class KmsFailure(RegistryError):
    """The encryption key cannot be used."""

    code = "KmsException"


class RepositoryNotFound(RegistryError):
    """No repository of that name in the registry."""

    code = "RepositoryNotFoundException"

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"The repository with name '{name}' does not exist in the registry with id '{account}'"
        )


class RepositoryAlreadyExists(RegistryError):
    """A repository of that name is there already."""

    code = "RepositoryAlreadyExistsException"

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"The repository with name '{name}' already exists in the registry with id '{account}'"
        )


class RepositoryNotEmpty(RegistryError):
    """The repository holds images and the delete was not forced."""

    code = "RepositoryNotEmptyException"

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"The repository with name '{name}' in registry with id '{account}' "
            "cannot be deleted because it still contains images"
        )


class RepositoryPolicyNotFound(RegistryError):
    """The repository has no policy."""

    code = "RepositoryPolicyNotFoundException"

    def __init__(self, name: str, account: str) -> None:
        super().__init__(f"Repository policy does not exist for {_in_repository(name, account)}")


class RegistryPolicyNotFound(RegistryError):
    """The registry has no policy of its own."""

    code = "RegistryPolicyNotFoundException"

    def __init__(self, account: str) -> None:
        super().__init__(f"Registry policy does not exist in the registry with id '{account}'")


class ImageNotFound(RegistryError):
    """No image of that digest or tag in the repository."""

    code = "ImageNotFoundException"

    def __init__(self, digest: str | None, tag: str | None, name: str, account: str) -> None:
        super().__init__(
            f"The image with imageId {{imageDigest:'{digest or 'null'}', "
            f"imageTag:'{tag or 'null'}'}} does not exist within {_in_repository(name, account)}"
        )


class ImageAlreadyExists(RegistryError):
    """The same image with the same tag is there already, so nothing changed.

    :ivar tag_is_immutable: whether the tag could not have been moved either; over the OCI
        door ECR answers then as for any other push to an immutable tag.
    :ivar subject: the digest of the manifest that the image refers to.
    """

    code = "ImageAlreadyExistsException"

    def __init__(
        self,
        digest: str,
        tag: str | None,
        name: str,
        account: str,
        *,
        tag_is_immutable: bool,
        subject: str | None = None,
    ) -> None:
        super().__init__(
            f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists in the "
            f"repository with name '{name}' in registry with id '{account}'"
        )
        self.digest = digest
        self.tag_is_immutable = tag_is_immutable
        self.subject = subject


class ImageTagAlreadyExists(RegistryError):
    """The tag is immutable and names another image."""

    code = "ImageTagAlreadyExistsException"

    def __init__(self, tag: str | None, name: str) -> None:
        super().__init__(
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be "
            "overwritten because the tag is immutable."
        )


class ImageDigestDoesNotMatch(RegistryError):
    """The manifest has another digest than the caller stated."""

    code = "ImageDigestDoesNotMatchException"

    def __init__(self, stated: str, calculated: str) -> None:
        # Likeliest.
        super().__init__(
            f"The provided image digest '{stated}' does not match the calculated image "
            f"digest '{calculated}'"
        )


class LayersNotFound(RegistryError):
    """A manifest names layers that were not uploaded, or a layer is not in the repository."""

    code = "LayersNotFoundException"

    @classmethod
    def for_image(cls, digests: Sequence[str], name: str, account: str) -> LayersNotFound:
        """Return the error for a manifest whose layers *digests* are missing."""
        # Likeliest: the sentence of ReferencedImagesNotFoundException, which sources show.
        return cls(
            f"Layers with digests '[{', '.join(digests)}]' required for pushing image into "
            f"repository with name '{name}' in the registry with id '{account}' do not exist"
        )

    @classmethod
    def for_download(cls, digest: str, name: str, account: str) -> LayersNotFound:
        """Return the error for a layer *digest* that the repository does not have."""
        return cls(
            f"The layer with digest '{digest}' does not exist within "
            f"{_in_repository(name, account)}"
        )


class LayerInaccessible(RegistryError):
    """The layer was uploaded, but no image of the repository names it."""

    code = "LayerInaccessibleException"

    def __init__(self, digest: str, name: str, account: str) -> None:
        # Likeliest, after the service model's description of the exception.
        super().__init__(
            f"The layer with digest '{digest}' in {_in_repository(name, account)} is not "
            "associated with an image"
        )


class ReferencedImagesNotFound(RegistryError):
    """An index names images that the repository does not have."""

    code = "ReferencedImagesNotFoundException"

    def __init__(self, digests: Sequence[str], name: str, account: str) -> None:
        super().__init__(
            f"Images with digests '[{', '.join(digests)}]' required for pushing image into "
            f"repository with name '{name}' in the registry with id '{account}' do not exist"
        )


class UploadNotFound(RegistryError):
    """No such upload in the repository, or it is complete."""

    code = "UploadNotFoundException"

    def __init__(self, upload_id: str, name: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The upload with id '{upload_id}' does not exist within "
            f"{_in_repository(name, account)}"
        )


class InvalidLayerPart(RegistryError):
    """A part does not begin where the parts before it end, or is not as long as stated."""

    code = "InvalidLayerPartException"

    def __init__(
        self, account: str, name: str, upload_id: str, last_valid_byte: int, message: str = ""
    ) -> None:
        # Likeliest, after the service model's description of the exception.
        super().__init__(
            message
            or "The layer part size is not valid, or the first byte specified is not "
            "consecutive to the last byte of a previous layer part upload.",
            registryId=account,
            repositoryName=name,
            uploadId=upload_id,
            lastValidByteReceived=last_valid_byte,
        )
        self.last_valid_byte = last_valid_byte


class UploadBusyError(RegistryError):
    """Another request is writing to the same upload."""

    code = "InvalidParameterException"

    def __init__(self, upload_id: str) -> None:
        # Likeliest: ECR documents no answer for two writers of one upload.
        super().__init__(f"Another request for the upload with id '{upload_id}' is in progress")


class LayerPartTooSmall(RegistryError):
    """A part that was not the last one is smaller than 5 MiB."""

    code = "LayerPartTooSmallException"

    def __init__(self) -> None:
        # The service model's description of the exception.
        super().__init__("Layer parts must be at least 5 MiB in size.")


class EmptyUpload(RegistryError):
    """An upload was completed before any part of it arrived."""

    code = "EmptyUploadException"

    def __init__(self) -> None:
        # The service model's description of the exception.
        super().__init__("The specified layer upload does not contain any layer parts.")


class InvalidLayer(RegistryError):
    """The uploaded bytes have none of the stated digests."""

    code = "InvalidLayerException"

    def __init__(self) -> None:
        super().__init__("None of the provided layer digests match the calculated layer digest")


class LayerAlreadyExists(RegistryError):
    """The repository has the layer already."""

    code = "LayerAlreadyExistsException"

    def __init__(self, digest: str, name: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The layer with digest '{digest}' already exists within "
            f"{_in_repository(name, account)}"
        )
        self.digest = digest


class ServerFailure(RegistryError):
    """The registry cannot do what it should; not the caller's fault."""

    code = "ServerException"
