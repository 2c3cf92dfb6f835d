"""All scans of one contrast in whatever somebody names: files, folders of DICOM series, trees of either."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tanq_monai.errors import InputError
from tanq_monai.scans.bids import T2W, acq_of, case_in, dataset_of, header_of, is_dataset, t2w_images
from tanq_monai.scans.contents import files_in, left_out
from tanq_monai.scans.dicom import check_header, in_order, is_dicom, series_among
from tanq_monai.scans.naming import CHANNEL, CONTRASTS, ENDING, case_of, is_nifti, suffix_of
from tanq_monai.scans.raw_dataset import IMAGES, image_paths, is_raw_dataset
from tanq_monai.scans.volume import read_grid, series_grid

if TYPE_CHECKING:
    from pydicom import Dataset

OF_BIDS = "hrT2"  # the contrast that a BIDS data set may hold, as T2w
Files = list[tuple[Path, "Dataset"]]  # of a series, with their headers


@dataclass(frozen=True)
class GatheredScan:
    """A scan that can be used, as far as its headers tell.

    Attributes:
        place: its NIfTI file, or the folder that its series lies in.
        files: that NIfTI file, or those of the series, in their order.
        number: SeriesNumber of a series that has one.
        case: what it is called, and no other one is, in small or capital letters.
    """

    place: Path
    files: tuple[Path, ...]
    number: str = ""
    case: str = ""


@dataclass
class Gathering:
    """What was found.

    Attributes:
        scans: in the order in which they were named, each once.
        problems: what looks like a scan and cannot be used.
        passed_over: DICOM series, and scans of BIDS data sets, of other contrasts, and why they are.
    """

    scans: list[GatheredScan] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    passed_over: list[InputError] = field(default_factory=list)


def gather_scans(
    places: Iterable[str | Path], contrast: str, leave_out: Path | None = None, acq: str | None = None
) -> Gathering:
    """Every scan of ``contrast`` in files, folders, and folders of folders.

    A file that is named itself may be called anything but what is of another contrast or a result. In folders, NIfTI
    files are taken whose names end in a suffix of the contrast, and series whose headers do not speak against it. Of
    BIDS data sets, their subjects and sessions, hrT2 is what they call T2w and their side-cars do not speak against.

    A case is called as its file without the suffix, or as the folder of its series. Where that is no name of its own,
    those of the folders above go before it.

    Args:
        places: files and folders.
        contrast: one of :data:`tanq_monai.scans.naming.CONTRASTS`.
        leave_out: a folder that is not searched: that of the results.
        acq: of BIDS data sets, the label of the acquisition that is taken; None: any.
    """
    found, taken = Gathering(), set[Path]()
    for place in map(Path, places):
        here = _gather(place, contrast, leave_out, acq)
        found.problems += here.problems
        found.passed_over += here.passed_over
        for scan in here.scans:
            files = {file.resolve() for file in scan.files}
            if not files & taken:
                found.scans.append(scan)
            taken |= files
    alike = Counter(scan.place for scan in found.scans)
    names = _own_names([_called(scan, alone=alike[scan.place] == 1) for scan in found.scans])
    found.scans = [replace(scan, case=name) for scan, name in zip(found.scans, names, strict=True)]
    return found


def _gather(place: Path, contrast: str, leave_out: Path | None, acq: str | None) -> Gathering:
    """What one place holds; a problem where that is nothing."""
    here = Gathering()
    niftis: list[Path] = []
    series: list[Files] = []
    try:
        if acq is not None and dataset_of(place) is None:
            raise InputError(place, f"is of no BIDS data set, and has no acq-{acq}", "leave --acq out")
        if place.is_dir() and contrast == OF_BIDS and dataset_of(place) is not None:
            niftis = _t2w_images(place, acq, here)
        elif place.is_dir():
            niftis, series = _search(place, contrast, leave_out, here)
        elif is_nifti(place):
            niftis = [place]
        else:
            series = _series_in_file(place)
    except InputError as problem:
        here.problems.append(problem)
    for path in niftis:
        try:
            read_grid(path, contrast)
            here.scans.append(GatheredScan(path, (path,)))
        except InputError as problem:
            here.problems.append(problem)
    for files in series:
        _add_series(files, contrast, here)
    if not here.scans and not here.problems:
        here.problems.append(_absence(place, contrast, here.passed_over))
    return here


def _t2w_images(folder: Path, acq: str | None, here: Gathering) -> list[Path]:
    """Those of a BIDS data set, or of a part of one, that no side-car speaks against."""
    from tanq_monai.scans.contrast import said_against

    images, found = [], t2w_images(folder)
    chosen = [path for path in found if acq is None or acq_of(path) == acq]
    if found and not chosen:
        known = sorted({f"acq-{acq_of(path)}" for path in found if acq_of(path)})
        problem = f"has no {T2W} scan of acq-{acq}"
        raise InputError(folder, problem, f"choose {' or '.join(known)}" if known else "leave --acq out")
    for path in chosen:
        try:
            header = header_of(path)
        except InputError as problem:
            here.problems.append(problem)
            continue
        if header is not None and (reason := said_against(header, OF_BIDS)):
            remedy = "if you know that it is one, name the file itself"
            here.passed_over.append(InputError(path, f"is no {OF_BIDS} by its side-car ({reason})", remedy))
        else:
            images.append(path)
    return images


def _search(top: Path, contrast: str, leave_out: Path | None, here: Gathering) -> tuple[list[Path], list[Files]]:
    """NIfTI files and series in and below a folder; a series may lie in several folders."""
    suffixes, problems = CONTRASTS[contrast], here.problems
    niftis: list[Path] = []
    series: dict[str, Files] = {}
    for name, folders, _ in os.walk(top):
        folder = Path(name)
        try:
            paths = files_in(folder)  # those that may not be listed are told
            if leave_out is not None and leave_out.exists() and folder.samefile(leave_out):
                folders.clear()
            elif contrast == OF_BIDS and is_dataset(folder):
                folders.clear()
                niftis += _t2w_images(folder, None, here)
            elif is_raw_dataset(folder):
                folders.clear()
                niftis += image_paths(folder)
                problems += left_out(files_in(folder / IMAGES), CHANNEL, (CHANNEL,))
            else:
                folders[:] = [path.name for path in paths if path.name in folders]
                niftis += [path for path in paths if is_nifti(path) and suffix_of(path) in suffixes]
                problems += left_out(paths, suffixes[0])
                for uid, files in series_among(path for path in paths if not is_nifti(path)).items():
                    series.setdefault(uid, []).extend(files)
        except InputError as problem:
            problems.append(problem)
    return niftis, list(series.values())


def _series_in_file(path: Path) -> list[Files]:
    if not path.exists():
        raise InputError(path, "is not there", "see whether its name is right")
    if not is_dicom(path):
        raise InputError(path, "is neither NIfTI nor DICOM", f"store the scan as {ENDING}")
    return list(series_among([path]).values())


def _add_series(files: Files, contrast: str, here: Gathering) -> None:
    folder = Path(os.path.commonpath([path.parent for path, _ in files]))
    _, header = files[0]
    try:
        check_header(header, contrast, folder)
    except InputError as reason:
        here.passed_over.append(reason)
        return
    try:
        slices = in_order(files, folder)
        series_grid(slices, folder)
    except InputError as problem:
        here.problems.append(problem)
        return
    paths = tuple(dict.fromkeys(one.path for one in slices))
    here.scans.append(GatheredScan(folder, paths, str(header.get("SeriesNumber") or "")))


def _absence(place: Path, contrast: str, passed_over: list[InputError]) -> InputError:
    if len(passed_over) == 1:
        return passed_over.pop()
    others = f", but {len(passed_over)} scans of other contrasts" if passed_over else ""
    wanted = " or ".join(f"*_{suffix}{ENDING}" for suffix in CONTRASTS[contrast])
    return InputError(place, f"holds no {contrast} scan{others}", f"give {wanted}, or a DICOM series")


def _called(scan: GatheredScan, alone: bool) -> Path:
    """The path that a case's name is taken from; several series of one folder are told apart by their numbers."""
    path = Path(os.path.abspath(scan.place))
    if is_nifti(path) and suffix_of(path) == T2W:
        return path.with_name(case_in(path))
    return path if alone else path.with_name(f"{path.name}_{scan.number}")


def _own_names(paths: Sequence[Path]) -> list[str]:
    """For every path the name of its case, with as many folders before it as tell it from the others."""
    depths = [1] * len(paths)
    while True:
        names = [case_of("_".join(path.parts[-depth:])) for path, depth in zip(paths, depths, strict=True)]
        alike = Counter(map(str.casefold, names))
        short = [
            number
            for number, (name, path) in enumerate(zip(names, paths, strict=True))
            if alike[name.casefold()] > 1 and depths[number] < len(path.parts) - 1
        ]
        if not short:
            return _numbered(names)
        for number in short:
            depths[number] += 1


def _numbered(names: Sequence[str]) -> list[str]:
    """The same names, those that another one has already with a number behind."""
    own: dict[str, str] = {}
    for name in names:
        number, new = 1, name
        while new.casefold() in own:
            number += 1
            new = f"{name}_{number}"
        own[new.casefold()] = new
    return list(own.values())
