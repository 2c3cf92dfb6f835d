"""The bill of materials of a zoo's zip, CycloneDX 1.6 in JSON: what it holds, and what has to be installed for it."""

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import metadata
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import tanq_monai

ENDING = ".cdx.json"
_DATE = datetime(1980, 1, 1, tzinfo=timezone.utc)  # as the members of the zips have it


def bill_of_materials(name: str, version: str, entry: Mapping[str, Any], packages: Iterable[str]) -> str:
    """JSON with a component for every file of the zip and for every package, in the version that is installed here.

    The same zip and packages give the same text.

    Args:
        name: of the bundle.
        version: of the bundle.
        entry: of the zoo's list, with ``sha256`` and ``files``.
        packages: that the bundle's metadata ask for.
    """
    bundle = Component(
        name=name,
        version=version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=name,
        hashes=[_sha256(entry["sha256"])],
        licenses=[LicenseExpression("Apache-2.0")],
    )
    own = Component(
        name="tanq-monai",
        version=tanq_monai.__version__,
        type=ComponentType.LIBRARY,
        bom_ref="tanq-monai",
        licenses=[LicenseExpression("Apache-2.0")],
    )
    held = [
        Component(name=file, type=ComponentType.FILE, bom_ref=file, hashes=[_sha256(digest)])
        for file, digest in entry["files"].items()
    ]
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, entry["sha256"]), components=[own, *held, *map(_of, packages)]
    )
    bom.metadata.component, bom.metadata.timestamp = bundle, _DATE
    bom.register_dependency(bundle, [*bom.components])
    text: str = JsonV1Dot6(bom).output_as_string()
    return json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def _of(package: str) -> Component:
    """A package that is installed here."""
    said = metadata(package)
    licence = said.get("License-Expression")
    return Component(
        name=package,
        version=said["Version"],
        type=ComponentType.LIBRARY,
        bom_ref=f"pypi:{package}",
        purl=PackageURL("pypi", name=package.lower(), version=said["Version"]),
        licenses=[LicenseExpression(licence)] if licence else [],
    )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
