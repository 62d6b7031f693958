"""Layers: the operations are those of private registries."""

from __future__ import annotations

from ecr_emulator.aws.ecr import layers
from ecr_emulator.aws.ecr_public.operation import operation

operation("BatchCheckLayerAvailability")(layers.batch_check_layer_availability)
operation("InitiateLayerUpload")(layers.initiate_layer_upload)
operation("UploadLayerPart")(layers.upload_layer_part)
operation("CompleteLayerUpload")(layers.complete_layer_upload)
