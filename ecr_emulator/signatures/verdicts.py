"""What the look at one signature comes to."""

from __future__ import annotations

from dataclasses import dataclass


class NotVerified(Exception):
    """A signature that proves nothing; the text says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signature that verifies proves.

    :ivar trusted: the name of the trusted key or certificate that it goes back to.
    :ivar predicate_type: what an attestation says something of, as in-toto names it.
    """

    trusted: str
    predicate_type: str = ""


#: Without trust nothing is proven.
NOTHING_TRUSTED = "No key or certificate is trusted: see the setting trusted_keys."
NOT_BY_TRUSTED = "None of the trusted keys made this signature."
DAMAGED = "The signature is damaged: {}."


def check_digest(named: object, digest: str) -> None:
    """Check that what was signed is the image that was asked about.

    :param named: the digest that the signature names.
    :raises NotVerified: it is of something else.
    """
    if not isinstance(named, str):
        raise NotVerified(DAMAGED.format("it names no image"))
    if named != digest:
        raise NotVerified(f"The signature is of something else: {named[:100]}.")
