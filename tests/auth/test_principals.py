import pytest

from ecr_emulator.auth.principals import Principal, root_principal


def test_root_principal() -> None:
    assert root_principal("123456789012") == Principal(
        account="123456789012", arn="arn:aws:iam::123456789012:root", user_id="123456789012"
    )


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws:iam::123456789012:root", "root"),
        ("arn:aws:iam::123456789012:user/division/ann", "user"),
        ("arn:aws:iam::123456789012:role/build", "role"),
        ("arn:aws:sts::123456789012:assumed-role/build/session", "assumed-role"),
        ("arn:aws:sts::123456789012:federated-user/ann", "federated-user"),
    ],
)
def test_kind(arn: str, kind: str) -> None:
    assert Principal("123456789012", arn, "AIDA").kind == kind
