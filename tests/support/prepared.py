"""An emulator with something of everything in it, brought back to that after every change.

What is in it: images of every kind and state, policies, previews, scans, rules, templates,
backfills, uploads, both services, and a second account with a registry of its own.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from tests.support.app import ACCOUNT, REGION, STRANGER, App, json_blob
from tests.support.images import OCI_MANIFEST, Blob, make_image, make_index

#: Where images are replicated to.
ELSEWHERE = "eu-west-1"
SIGNING_PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/release"
PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/scanner"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-a1b2c3"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"

LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 14,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
            "action": {"type": "transition", "targetStorageClass": "archive"},
        },
    ]
}


def policy(*actions: str, **members: Any) -> dict[str, Any]:
    """Return a policy that allows everybody *actions*."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions), **members}
    return {"Version": "2012-10-17", "Statement": [statement]}


class Prepared:
    """The prepared emulator.

    :param folder: for its data.
    :ivar known: values that mean something in it, by service and the name of the member that
        they are for.
    """

    def __init__(self, folder: Path) -> None:
        self.app = App(folder)
        self.known: dict[str, dict[str, list[str]]] = {
            service: {
                "repositoryName": ["team/app", "empty", "frozen", "locked"],
                "imageTag": ["v1", "v2", "many", "old"],
                "imageDigest": [],
                "layerDigest": [],
                "uploadId": [],
                "replicationBackfillId": [],
                "imageManifest": [],
                "resourceArn": [],
                "registryId": [ACCOUNT, STRANGER],
                "nextToken": [],
            }
            for service in ("ecr", "ecr-public")
        }
        del self.known["ecr-public"]["repositoryName"][2:]
        self._ecr = self.app.ecr()
        self._public = self.app.ecr(service="ecr-public")
        self._fill_repositories()
        self._fill_registry()
        self._fill_public()
        self._uploads()
        self._make_tokens()
        self.app.run_jobs()
        self._remember()

    def close(self) -> None:
        """Close the emulator."""
        self.app.close()

    def restore(self) -> None:
        """Bring everything back to how it was prepared."""
        with sqlite3.connect(self._database, isolation_level=None) as there:
            self._saved.backup(there)
        there.close()
        uploads = self.app.folder / "uploads"
        shutil.rmtree(uploads)
        shutil.copytree(self._saved_uploads, uploads)

    def _remember(self) -> None:
        self._database = self.app.folder / "registry.sqlite3"
        self._saved = sqlite3.connect(":memory:")
        with sqlite3.connect(self._database) as here:
            here.backup(self._saved)
        here.close()
        self._saved_uploads = self.app.folder.with_name("uploads-as-prepared")
        shutil.copytree(self.app.folder / "uploads", self._saved_uploads)

    def _fill_repositories(self) -> None:
        ecr, known = self._ecr, self.known["ecr"]
        ecr.create_repository(repositoryName="empty")
        ecr.create_repository(
            repositoryName="locked",
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": KEY},
        )
        for name, setting in (("team/app", "MUTABLE"), ("frozen", "IMMUTABLE")):
            created = ecr.create_repository(
                repositoryName=name,
                imageTagMutability=setting,
                tags=[{"Key": "stage", "Value": "test"}],
            )
            known["resourceArn"].append(created["repository"]["repositoryArn"])
            self._push_images(name)
        ecr.set_repository_policy(
            repositoryName="team/app", policyText=json.dumps(policy("ecr:BatchGetImage"))
        )
        ecr.put_lifecycle_policy(
            repositoryName="team/app", lifecyclePolicyText=json.dumps(LIFECYCLE)
        )
        ecr.start_lifecycle_policy_preview(repositoryName="team/app")
        ecr.start_image_scan(repositoryName="team/app", imageId={"imageTag": "v1"})
        ecr.update_image_storage_class(
            repositoryName="team/app", imageId={"imageTag": "old"}, targetStorageClass="ARCHIVE"
        )
        stranger = self.app.ecr(STRANGER)
        stranger.create_repository(repositoryName="team/app")
        self.app.oci(STRANGER).push("team/app", make_image(1, 100), "v1")
        stranger.set_repository_policy(
            repositoryName="team/app",
            policyText=json.dumps(policy("ecr:BatchGetImage", "ecr:DescribeImages")),
        )

    def _push_images(self, name: str) -> None:
        oci, known = self.app.oci(), self.known["ecr"]
        images = [make_image(1, 100), make_image(1, 100, "arm64", docker=True), make_image(1, 100)]
        tagged = zip(images, ("v1", "v2", "old"), strict=True)
        digests = [oci.push(name, image, tag) for image, tag in tagged]
        index = make_index([make_image(1, 100), make_image(1, 100, "arm64")])
        digests.append(oci.push(name, index, "many"))
        digests.append(oci.push(name, make_image(1, 100)))
        empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
        oci.push_blob(name, empty.data)
        signature = json_blob(
            OCI_MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": "application/example.signature",
                "config": empty.descriptor(),
                "layers": [empty.descriptor()],
                "subject": images[0].manifest.descriptor(),
                "annotations": {"made": "by hand"},
            },
        )
        digests.append(oci.push(name, signature))
        known["imageDigest"] += digests
        known["layerDigest"] += [blob.digest for image in images for blob in image.blobs]
        # As ECR has it, and the same manifest as another one.
        for image in (*images, index):
            text = image.manifest.data.decode()
            known["imageManifest"] += [text, json.dumps(json.loads(text), indent=3)]
        known["imageManifest"].append(signature.data.decode())

    def _fill_registry(self) -> None:
        ecr, known = self._ecr, self.known["ecr"]
        ecr.put_registry_policy(
            policyText=json.dumps(
                policy("ecr:ReplicateImage", "ecr:CreateRepository", Resource="*")
            )
        )
        destination = {"region": ELSEWHERE, "registryId": ACCOUNT}
        ecr.put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": [destination]}]}
        )
        backfill = ecr.start_replication_backfill(destination=destination)
        known["replicationBackfillId"].append(backfill["replicationBackfillId"])
        self.app.run_jobs()
        again = ecr.start_replication_backfill(destination=destination)
        known["replicationBackfillId"].append(again["replicationBackfillId"])
        ecr.put_registry_scanning_configuration(
            scanType="BASIC",
            rules=[
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD"}],
                }
            ],
        )
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="mirror", upstreamRegistryUrl="public.ecr.aws"
        )
        for prefix in ("ROOT", "team"):
            ecr.create_repository_creation_template(
                prefix=prefix,
                appliedFor=["REPLICATION", "CREATE_ON_PUSH"],
                lifecyclePolicy=json.dumps(LIFECYCLE),
                repositoryPolicy=json.dumps(policy("ecr:BatchGetImage")),
            )
        ecr.put_signing_configuration(
            signingConfiguration={"rules": [{"signingProfileArn": SIGNING_PROFILE}]}
        )
        ecr.register_pull_time_update_exclusion(principalArn=PRINCIPAL)
        ecr.register_pull_time_update_exclusion(principalArn=f"{PRINCIPAL}-2")

    def _fill_public(self) -> None:
        public, known = self._public, self.known["ecr-public"]
        created = public.create_repository(
            repositoryName="team/app",
            catalogData={"description": "for tests", "operatingSystems": ["Linux"]},
            tags=[{"Key": "stage", "Value": "test"}],
        )
        known["resourceArn"].append(created["repository"]["repositoryArn"])
        public.create_repository(repositoryName="empty")
        image = make_image(1, 100)
        for blob in image.blobs:
            self._upload(public, "team/app", blob.data, complete=True)
            known["layerDigest"].append(blob.digest)
        for tag in ("v1", "v2"):
            public.put_image(
                repositoryName="team/app", imageManifest=image.manifest.data.decode(), imageTag=tag
            )
        known["imageManifest"].append(image.manifest.data.decode())
        known["imageDigest"].append(image.manifest.digest)
        public.put_registry_catalog_data(displayName="Tests")
        public.set_repository_policy(
            repositoryName="team/app", policyText=json.dumps(policy("ecr-public:DescribeImages"))
        )
        (registry,) = public.describe_registries()["registries"]
        known["registryId"].append(registry["aliases"][0]["name"])

    def _uploads(self) -> None:
        begun = b"\0" * 10
        for service, client in (("ecr", self._ecr), ("ecr-public", self._public)):
            known = self.known[service]
            known["uploadId"] += [self._upload(client, "team/app", data) for data in (b"", begun)]
            known["layerDigest"].append(Blob("", begun).digest)

    def _upload(self, client: Any, name: str, data: bytes, *, complete: bool = False) -> str:
        upload = client.initiate_layer_upload(repositoryName=name)["uploadId"]
        if data:
            client.upload_layer_part(
                repositoryName=name,
                uploadId=upload,
                partFirstByte=0,
                partLastByte=len(data) - 1,
                layerPartBlob=data,
            )
        if complete:
            client.complete_layer_upload(
                repositoryName=name, uploadId=upload, layerDigests=[Blob("", data).digest]
            )
        return str(upload)

    def _make_tokens(self) -> None:
        """Take a token of each listing that has a second page."""
        of_repository = {"repositoryName": "team/app"}
        listings: list[tuple[str, Any, dict[str, str]]] = [
            ("ecr", self._ecr.describe_repositories, {}),
            ("ecr", self._ecr.list_images, of_repository),
            ("ecr", self._ecr.describe_images, of_repository),
            ("ecr", self._ecr.list_replication_backfills, {}),
            ("ecr", self._ecr.describe_repository_creation_templates, {}),
            ("ecr", self._ecr.list_pull_time_update_exclusions, {}),
            ("ecr-public", self._public.describe_repositories, {}),
            ("ecr-public", self._public.describe_image_tags, of_repository),
        ]
        for service, listing, params in listings:
            self.known[service]["nextToken"].append(listing(maxResults=1, **params)["nextToken"])
