"""Bundles from a model zoo: what they would execute, and how they are fetched."""

from tanq_monai.deploy.zoo.audit import audit_bundle

__all__ = ["audit_bundle"]
