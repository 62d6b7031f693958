"""The control endpoints below ``/_emulator/``: who may use them, health, reset.

Those of one capability (identities, lifecycle, findings...) are tried where it is.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ecr_emulator import __version__
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, app, ecr, oci
from tests.support.images import make_image
from tests.support.refusals import refusal

__all__ = ["app", "ecr", "oci"]

REFUSED = {"message": "The control endpoints answer this machine's programs only."}
HEALTH = "/_emulator/health"
RESET = "/_emulator/reset"


def reset(app: App) -> None:
    response = app.request("POST", RESET)
    assert response.status_code == 200
    assert response.get_json() == {"status": "ok"}


class TestWho:
    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::1%lo"]
    )
    def test_programs_of_this_machine(self, app: App, address: str) -> None:
        response = app.request("GET", HEALTH, environ={"REMOTE_ADDR": address})
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.1",
            "192.168.1.5",
            "172.17.0.1",
            "::ffff:10.0.0.1",
            "fe80::1%eth0",
            "2001:db8::1",
            "0.0.0.0",
            "::",
            "",
            "localhost",
            "127.0.0.1.example.com",
            "127.1",
            "\xff",
        ],
    )
    def test_nobody_else(self, app: App, ecr: Any, address: str) -> None:
        ecr.create_repository(repositoryName="team/app")
        for method, path in [("GET", HEALTH), ("POST", RESET)]:
            response = app.request(method, path, environ={"REMOTE_ADDR": address})
            assert response.status_code == 403
            assert response.get_json() == REFUSED
        assert len(ecr.describe_repositories()["repositories"]) == 1

    def test_who_has_no_address(self, app: App) -> None:
        """A server that does not say where a request came from is not trusted with it."""
        response = app.request("POST", RESET, environ={"REMOTE_ADDR": None})
        assert response.status_code == 403

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:4567"])
    def test_no_web_page(self, app: App, origin: str) -> None:
        """A page of another origin, shown on this machine, is somebody else's program."""
        response = app.request("POST", RESET, headers={"Origin": origin})
        assert response.status_code == 403

    def test_what_a_caller_claims_does_not_count(self, app: App) -> None:
        for header in ("X-Forwarded-For", "X-Real-Ip", "Forwarded"):
            headers = {header: "127.0.0.1"}
            environ = {"REMOTE_ADDR": "10.0.0.1"}
            response = app.request("POST", RESET, headers=headers, environ=environ)
            assert response.status_code == 403


def test_health(app: App) -> None:
    response = app.request("GET", HEALTH)
    assert response.get_json() == {"status": "ok", "version": __version__}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", RESET), ("POST", HEALTH), ("GET", "/_emulator/"), ("GET", "/_emulator/nothing")],
)
def test_what_there_is_not(app: App, method: str, path: str) -> None:
    assert app.request(method, path).status_code == 404


class TestReset:
    def test_everything_is_gone(self, app: App, ecr: Any, oci: OciCaller) -> None:
        for client in (ecr, app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            client.create_repository(repositoryName="team/app", tags=[{"Key": "a", "Value": "b"}])
            client.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        image = make_image(1)
        oci.push("team/app", image, "v1")
        location = oci.start_upload("team/app")
        oci.expect(202, "PATCH", location, b"abc")
        reset(app)
        for client in (ecr, app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            assert client.describe_repositories()["repositories"] == []
            setting = client.get_account_setting(name="BLOB_MOUNTING")
            assert setting["value"] == "DISABLED"
        assert [path for path in (app.folder / "blobs").rglob("*") if path.is_file()] == []
        assert list((app.folder / "uploads").iterdir()) == []
        oci.refused(404, "NAME_UNKNOWN", "GET", location)
        # And it all works again, with nothing of what was.
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app"
        ecr.create_repository(repositoryName="team/app")
        assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == []
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "GET", location)
        oci.expect(404, "HEAD", f"/v2/team/app/blobs/{image.config.digest}")
        oci.push("team/app", image, "v1")

    def test_again_and_of_nothing(self, app: App) -> None:
        for _ in range(2):
            reset(app)

    def test_other_processes_see_it(self, app: App, ecr: Any, oci: OciCaller) -> None:
        other = app.another_process()
        ecr.create_repository(repositoryName="team/app")
        image = make_image(1)
        other.oci().push("team/app", image, "v1")
        reset(app)
        assert other.ecr().describe_repositories()["repositories"] == []
        code, _ = refusal(other.ecr().list_images, repositoryName="team/app")
        assert code == "RepositoryNotFoundException"
        other.ecr().create_repository(repositoryName="team/app")
        other.oci().push("team/app", image, "v1")
        oci.expect(200, "GET", "/v2/team/app/manifests/v1")

    def test_tokens_stay(self, app: App, ecr: Any) -> None:
        """The installation is the same: who is logged in stays so."""
        caller = app.oci()
        reset(app)
        caller.expect(200, "GET", "/v2/")
        app.clock.advance(timedelta(hours=1))
        caller.expect(200, "GET", "/v2/_catalog")

    def test_beside_work(self, app: App, ecr: Any) -> None:
        """Whoever works meanwhile gets an answer of the registry's, and no failure of it."""
        other = app.another_process()
        image = make_image(1, 100)
        headers = {"Content-Type": image.manifest.media_type}

        def work(number: int) -> None:
            client, caller = other.ecr(), other.oci()
            name = f"team/app-{number}"
            for _ in range(12):
                with contextlib.suppress(client.exceptions.RepositoryAlreadyExistsException):
                    client.create_repository(repositoryName=name)
                for blob in image.blobs:
                    path = f"/v2/{name}/blobs/uploads/"
                    response = caller.request("POST", path)
                    assert response.status_code in (202, 404)
                    if response.status_code == 202:
                        target = f"{response.headers['Location']}?digest={blob.digest}"
                        response = caller.request("PUT", target, blob.data)
                        assert response.status_code in (201, 404)
                response = caller.request(
                    "PUT", f"/v2/{name}/manifests/v1", image.manifest.data, headers
                )
                assert response.status_code in (201, 400, 404)

        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(work, number) for number in range(3)]
            for _ in range(15):
                reset(app)
            for worker in workers:
                worker.result()
        reset(app)
        assert ecr.describe_repositories()["repositories"] == []
