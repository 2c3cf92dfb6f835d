"""Zip files follow from their members."""

import os
import zipfile

from tanq_monai.deploy.archives import write_zip


def test_order_time_and_rights_leave_no_trace(tmp_path):
    write_zip(tmp_path / "a.zip", {"b/x": b"1", "a": b"2"})
    before = os.umask(0o077)
    try:
        write_zip(tmp_path / "b.zip", {"a": b"2", "b/x": b"1"})
    finally:
        os.umask(before)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["a", "b/x"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
