"""Why a pair was done as it was, on the wire: sentences, and the certificates they rest on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.documents.common import Answer, Document, Time


class CertificateDocument(Document):
    """One certificate of a pair; sha256 is that of `document` written as canonical JSON (docs/certificates.md)."""

    certificate_id: str
    position: Annotated[int, Field(description="Its place in the session's chain, from 1 on.")]
    kind: Literal["pair", "correction"]
    previous: Annotated[str, Field(description="The hash of the certificate before; of the request for the first.")]
    sha256: Annotated[str, Field(alias="sha256", serialization_alias="sha256")]
    certified_at: Time
    document: Annotated[dict[str, Any], Field(description="What was certified; numbers are exact texts.")]


class ExplanationDocument(Document):
    """A pair in sentences. certificates: oldest first, corrections after the first; empty until the pair has ended."""

    pair_id: str
    sentences: list[str]
    certificates: list[CertificateDocument]


class ExplainAnswer(Answer):
    """Why a pair was done as it was."""

    explanation: ExplanationDocument
