"""A folder of links to scans, called as a bundle's inference and the report look for them."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tanq_monai.errors import InputError
from tanq_monai.files import replacing
from tanq_monai.scans.gathering import GatheredScan
from tanq_monai.scans.naming import is_nifti


def link_scans(scans: Iterable[GatheredScan], folder: Path, suffix: str) -> dict[Path, Path]:
    """Fill ``folder`` with links to the scans, see :func:`link_scan`; those of an earlier run are taken away first.

    Returns:
        Where each link leads: to a NIfTI file, or the folder of a series.

    Raises:
        InputError: when the folder holds what is no link, or cannot be written.
    """
    _clear(folder)
    return {link_scan(scan, folder, suffix): scan.place for scan in scans}


def link_scan(scan: GatheredScan, folder: Path, suffix: str) -> Path:
    """A link to a scan: ``{case}_{suffix}.nii.gz``, or a folder of links for a series, in place of earlier ones.

    Where the system makes no links, files are copied.

    Args:
        scan: with a name of its own.
        folder: of the links, and nothing else.
        suffix: of the contrast.

    Raises:
        InputError: when it cannot be written, or the folder of a series holds what is no link.
    """
    name = f"{scan.case}_{suffix}"
    if is_nifti(scan.place):
        link = folder / f"{name}{_ending(scan.place)}"
        _link(scan.place, link)
        return link
    link = folder / name
    _clear(link)
    for path, file in zip(scan.files, _file_names(scan.files), strict=True):
        _link(path, link / file)
    return link


def unlink_scan(link: Path) -> None:
    """Take a link, or the links of a series, away."""
    shutil.rmtree(link) if link.is_dir() else link.unlink()


def _clear(folder: Path) -> None:
    paths = [*folder.rglob("*")] if folder.is_dir() else []
    foreign = [path for path in paths if not (path.is_symlink() or path.is_dir())]
    if foreign or (folder.exists() and not folder.is_dir()):
        where = foreign[0] if foreign else folder
        raise InputError(where, "lies where links to the scans belong", f"take {folder} away, or choose another place")
    for path in folder.iterdir() if folder.is_dir() else ():
        unlink_scan(path)


def _ending(path: Path) -> str:
    return path.name[path.name.lower().rindex(".nii") :]


def _file_names(files: tuple[Path, ...]) -> list[str]:
    """Names of the files, numbered where two have the same in several folders."""
    names = [file.name for file in files]
    return names if len({*names}) == len(names) else [f"{number:05}_{name}" for number, name in enumerate(names)]


def _link(path: Path, link: Path) -> None:
    with replacing(link) as temporary:
        try:
            os.symlink(path.resolve(), temporary)
        except OSError:
            shutil.copyfile(path, temporary)
