"""Zip files whose bytes follow from their members alone."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from tanq_monai.files import replacing

TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
PERMISSIONS = 0o100644 << 16  # a regular file, readable by all
UNIX = 3


def write_zip(path: str | Path, members: Mapping[str, bytes]) -> None:
    """Write ``members`` by name as a zip file: sorted, stored, one time stamp, one set of permissions.

    Stored, since what a compressor makes of the same bytes changes with its version. The file is there completely or
    not at all.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system, entry.external_attr = UNIX, PERMISSIONS
            archive.writestr(entry, members[name])
