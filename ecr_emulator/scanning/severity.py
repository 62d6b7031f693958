"""How severe a vulnerability is, in ECR's words, and its CVSS scores.

Sources: user guide "Scan images for OS vulnerabilities" (the distribution's own severity
first, else the CVSS score by NVD's ratings); NVD "Vulnerability Metrics" (ratings of scores);
Debian's security tracker and Ubuntu's CVE priorities (their words).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CRITICAL = "CRITICAL"
HIGH = "HIGH"
MEDIUM = "MEDIUM"
LOW = "LOW"
INFORMATIONAL = "INFORMATIONAL"
UNDEFINED = "UNDEFINED"
#: From the worst.
SEVERITIES = (CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, UNDEFINED)

_WORDS = {
    "critical": CRITICAL,
    "high": HIGH,
    "important": HIGH,
    "medium": MEDIUM,
    "moderate": MEDIUM,
    "low": LOW,
    "negligible": INFORMATIONAL,
    "unimportant": INFORMATIONAL,
}
_CVSS_KINDS = {"CVSS_V2": "2.0", "CVSS_V3": "3", "CVSS_V4": "4.0"}
_MAX_VECTOR = 200


@dataclass(frozen=True, slots=True)
class CvssScore:
    """A CVSS base score and the vector it comes from.

    :ivar version: ``2.0``, ``3.0``, ``3.1`` or ``4.0``.
    """

    version: str
    score: float
    vector: str

    @property
    def major(self) -> str:
        """The version's first number."""
        return self.version[0]

    @property
    def severity(self) -> str:
        """NVD's rating of the score."""
        if self.score >= 9.0 and self.version != "2.0":
            return CRITICAL
        if self.score >= 7.0:
            return HIGH
        if self.score >= 4.0:
            return MEDIUM
        if self.score > 0.0 or self.version == "2.0":
            return LOW
        return INFORMATIONAL


def word_severity(word: str) -> str | None:
    """Return the severity that a distribution's or a database's word stands for, if any."""
    return _WORDS.get(word.lower())


def cvss_scores(severities: Iterable[tuple[str, str]]) -> list[CvssScore]:
    """Return the scores of the CVSS vectors among *severities*, the one that counts first.

    :raises ImportError: the library that computes them is not installed.
    """
    scores = [
        score
        for kind, vector in severities
        if kind in _CVSS_KINDS and (score := _score(kind, vector)) is not None
    ]
    return sorted(scores, key=lambda score: "342".index(score.major))


def _score(kind: str, vector: str) -> CvssScore | None:
    import cvss

    if len(vector) > _MAX_VECTOR:
        return None
    vector = vector.strip().rstrip("/")
    try:
        if kind == "CVSS_V2":
            return CvssScore("2.0", float(cvss.CVSS2(vector).scores()[0]), vector)
        if kind == "CVSS_V4":
            return CvssScore("4.0", float(cvss.CVSS4(vector).base_score), vector)
        return CvssScore(vector[5:8], float(cvss.CVSS3(vector).scores()[0]), vector)
    except cvss.exceptions.CVSSError:
        return None
