"""Explanations and certificates as documents."""

from __future__ import annotations

from datetime import datetime

from api.documents.certificates import CertificateDocument, ExplanationDocument
from core.certificate import Certificate, Kind
from store.explanation import Explanation


def explanation_document(found: Explanation) -> ExplanationDocument:
    """Return an explanation with its certificates; one that cannot be read any more is shown with an empty document."""
    return ExplanationDocument(
        pair_id=found.pair_id,
        sentences=list(found.sentences),
        certificates=[_certificate(one) for one in found.certificates],
    )


def _certificate(one: Certificate) -> CertificateDocument:
    try:
        content = one.content()
    except ValueError:
        content = {}
    return CertificateDocument(
        certificate_id=one.certificate_id,
        position=one.position,
        kind=Kind(one.kind).value,
        previous=one.previous,
        sha256=one.sha256,
        certified_at=datetime.fromisoformat(one.created_at),
        document=content,
    )
