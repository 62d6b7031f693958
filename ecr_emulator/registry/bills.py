"""Bills of materials of images, made when someone asks for one."""

from __future__ import annotations

from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.image_examination import ImageExaminer
from ecr_emulator.registry.image_scans import find_image_or_raise
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.scan_queue import unscannable_type
from ecr_emulator.registry.scanning_errors import UnsupportedImageType
from ecr_emulator.scanning.cyclonedx import bill_of_materials
from ecr_emulator.scanning.limits import LayerError


class NoBill(RegistryError):
    """The image's packages cannot be read; the text says why."""

    code = "InvalidParameterException"


class BillsOfMaterials:
    """The bills of every registry's images."""

    def __init__(self, database: Database, examiner: ImageExaminer, clock: Clock) -> None:
        self._database = database
        self._examiner = examiner
        self._clock = clock

    def of_image(
        self, key: RegistryKey, name: str, image_id: ImageId, *, host: str
    ) -> dict[str, Any]:
        """Return an image's bill of materials in CycloneDX's JSON.

        :param host: the registry's, for the image's name.
        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        :raises UnsupportedImageType, NoBill: it holds nothing that could be read.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            image = find_image_or_raise(connection, repository, image_id)
            media_type = unscannable_type(connection, image)
        if media_type is not None:
            raise UnsupportedImageType(media_type)
        try:
            inventory = self._examiner.inventory(image)
            return bill_of_materials(
                inventory,
                repository_uri=f"{host}/{name}",
                digest=image.digest,
                made_at=self._clock.now(),
            )
        except LayerError as error:
            raise NoBill(str(error)) from None
        except ImportError:
            raise NoBill("That takes ecr-emulator[scan] to be installed.") from None
