"""The style in which Amazon ECR returns policies (API reference, GetRepositoryPolicy)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.rendering import render_policy

#: AWS CLI reference, ecr set-repository-policy: the answer to a file indented by four.
PUBLIC_PULL = """{
  "Version" : "2008-10-17",
  "Statement" : [ {
    "Sid" : "allow public pull",
    "Effect" : "Allow",
    "Principal" : "*",
    "Action" : [ "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage" ]
  } ]
}"""

#: API reference, CreateRepositoryCreationTemplate: the answer to a compact text with \\r\\n.
LAMBDA_PULL = """{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Sid" : "LambdaECRPullPolicy",
    "Effect" : "Allow",
    "Principal" : {
      "Service" : "lambda.amazonaws.com"
    },
    "Action" : "ecr:BatchGetImage"
  } ]
}"""


@pytest.mark.parametrize("text", [PUBLIC_PULL, LAMBDA_PULL])
def test_the_documents_samples_come_out_as_they_are(text: str) -> None:
    compact = json.dumps(json.loads(text), separators=(",", ":"))
    spread = json.dumps(json.loads(text), indent=4).replace("\n", "\r\n")
    assert render_policy(compact) == text
    assert render_policy(spread) == text
    assert render_policy(text) == text


def test_nested_objects_and_several_statements() -> None:
    text = (
        '{"Statement":[{"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":true},'
        '"NumericLessThan":{"a:b":[1,2.50]},"Null":{}}},{"Effect":"Deny","Action":[]}]}'
    )
    assert (
        render_policy(text)
        == """{
  "Statement" : [ {
    "Effect" : "Allow",
    "Condition" : {
      "Bool" : {
        "aws:SecureTransport" : true
      },
      "NumericLessThan" : {
        "a:b" : [ 1, 2.50 ]
      },
      "Null" : { }
    }
  }, {
    "Effect" : "Deny",
    "Action" : [ ]
  } ]
}"""
    )


def test_account_ids_become_root_arns() -> None:
    text = (
        '{"Statement": {"Principal": {"AWS": ["111122223333", "arn:aws:iam::1:user/u"],'
        ' "Service": "111122223333"}, "NotPrincipal": {"AWS": "444455556666"}}}'
    )
    statement = json.loads(render_policy(text, partition="aws-cn"))["Statement"]
    assert statement["Principal"] == {
        "AWS": ["arn:aws-cn:iam::111122223333:root", "arn:aws:iam::1:user/u"],
        "Service": "111122223333",
    }
    assert statement["NotPrincipal"] == {"AWS": "arn:aws-cn:iam::444455556666:root"}


def test_characters_are_escaped_as_jackson_does() -> None:
    rendered = render_policy(json.dumps({"Id": '\x1b\n\t"\\/é\x7f😀'}))
    assert rendered == '{\n  "Id" : "\\u001B\\n\\t\\"\\\\/é\x7f😀"\n}'


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(InvalidPolicy):
        render_policy("nonsense")


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text(max_size=5)),
        max_size=5,
    )
)
def test_rendering_keeps_the_document(policy: dict[str, object]) -> None:
    try:
        rendered = render_policy(json.dumps(policy))
    except InvalidPolicy:
        # A lone surrogate: it can be written in JSON, but is no text.
        assert "\\ud" in json.dumps(policy)
        return
    assert json.loads(rendered) == policy
    assert list(json.loads(rendered)) == list(policy)
    assert render_policy(rendered) == rendered
