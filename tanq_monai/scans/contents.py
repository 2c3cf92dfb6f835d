"""What lies in a folder: the scans in it, and what looks like one and is not taken, which is told file by file."""

from collections.abc import Collection, Container, Iterable, Iterator
from itertools import chain
from pathlib import Path

from tanq_monai.errors import InputError
from tanq_monai.files import unwritten
from tanq_monai.scans.dicom import is_dicom
from tanq_monai.scans.naming import CHANNEL, ENDING, ENDINGS, KNOWN, LABEL, RESULTS, is_nifti, suffix_of
from tanq_monai.scans.raw_dataset import IMAGES, image_paths, is_raw_dataset

# Of images that nothing here reads.
_UNREAD = (
    *(".hdr", ".hdr.gz", ".img", ".img.gz", ".mgh", ".mgz", ".mha", ".mhd", ".mnc", ".nhdr", ".nrrd"),
    *(".nii.bz2", ".nii.xz", ".nii.zip", ".nii.zst"),
)
# In which a file with the name of a scan may hold it.
_PERHAPS = (
    *(".7z", ".bak", ".crdownload", ".filepart", ".gz", ".npy", ".npz", ".par", ".part", ".partial", ".rar", ".rec"),
    *(".tar", ".tgz", ".tif", ".tiff", ".tmp", ".zip", "~"),
)
_LABEL_WORDS = ("gt", "labels", "mask", "seg", "segmentation")  # by which others call labels


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder, without hidden files.

    Raises:
        InputError: when it is no folder, or may not be read.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder that holds the files")
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(folder, f"cannot be listed ({error.strerror})", "ask its owner") from error


def images_in(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], list[InputError]]:
    """Files and folders of the scans in a folder, and a mistake for all else that looks like one.

    Args:
        folder: of files and series, of one series, or of nnU-Net's raw data set.
        suffixes: of the images' names, the usual one first.

    Raises:
        InputError: when it is no folder, may not be read, or mixes a series with NIfTI files that no run wrote; when a
            suffix is that of results.
    """
    if results := sorted({*suffixes} & {*RESULTS}):
        raise InputError(f"suffixes {', '.join(results)}", "are those of results", "give those of images")
    paths = files_in(folder)
    if is_raw_dataset(folder):
        return image_paths(folder), left_out(files_in(folder / IMAGES), CHANNEL, (CHANNEL,))
    niftis = [path for path in paths if is_nifti(path)]
    if _is_series(folder):
        if any(unwritten(niftis)):
            raise InputError(folder, "holds a DICOM series beside NIfTI files", "give the series a folder of its own")
        return [folder], []
    images = [path for path in niftis if suffix_of(path) in suffixes]
    mistakes = left_out(paths, next(iter(suffixes)))
    above = {path.name for path in niftis}
    for path in filter(Path.is_dir, paths):
        try:
            if _is_series(path):
                images.append(path)
            elif any(not is_nifti(one) and is_dicom(one) for one in _below(path)) or _has_files(path, suffixes, above):
                mistakes.append(_told_below(path, "scans"))
        except InputError as error:
            mistakes.append(error)
    return images, mistakes


def left_out(paths: Iterable[Path], usual: str, known: Collection[str] = KNOWN) -> list[InputError]:
    """A mistake for every file that looks like an image and is not read: by its ending, or by its name.

    Args:
        paths: that lie in a folder.
        usual: suffix of the files that are looked for.
        known: suffixes of the layout.
    """
    mistakes = []
    for path in paths:
        if not path.name.startswith(".") and path.is_file() and _is_unread(path.name.lower(), known):
            mistakes.append(InputError(path, "is no kind of image that is read here", f"store it as {ENDING}"))
        elif is_nifti(path) and suffix_of(path) not in known:
            suffix = suffix_of(path).lower()
            meant = next((one for one in known if one.lower() == suffix), LABEL if suffix in _LABEL_WORDS else usual)
            mistakes.append(InputError(path, "its name is outside the layout", f"call it CASE_{meant}{ENDING}"))
        elif path.is_dir() and path.name.lower().endswith(ENDINGS) and not _is_series(path):
            mistakes.append(InputError(path, "is a folder with the name of a file", "take the file out of it"))
    return mistakes


def left_below(
    paths: Iterable[Path], suffixes: Collection[str], beside: Iterable[Path], called: str
) -> list[InputError]:
    """A mistake for every folder that holds NIfTI files which would be read if they lay beside it.

    What is called as a file above, as MONAI Label calls its labels, or was written by a run, belongs to those.

    Args:
        paths: that lie in a folder.
        suffixes: of the names.
        beside: the NIfTI files among them.
        called: what the files are.
    """
    above = {path.name for path in beside}
    folders = filter(Path.is_dir, paths)
    return [_told_below(folder, called) for folder in folders if _has_files(folder, suffixes, above)]


def _is_unread(name: str, known: Collection[str]) -> bool:
    named = any(f"_{suffix.lower()}." in name for suffix in known)
    return name.endswith(_UNREAD) or (named and name.endswith(_PERHAPS) and not name.endswith(ENDINGS))


def _has_files(folder: Path, suffixes: Collection[str], above: Container[str]) -> bool:
    """Whether files lie below a folder that would be read if they lay beside it, see :func:`left_below`."""
    named = (path for path in _below(folder) if is_nifti(path) and suffix_of(path) in suffixes)
    return any(unwritten(path for path in named if path.name not in above))


def _told_below(folder: Path, called: str) -> InputError:
    problem = f"holds {called}, which are not looked for below {folder.parent}"
    return InputError(folder, problem, "give that folder, or put them beside the others")


def _is_series(folder: Path) -> bool:
    return any(is_dicom(path) for path in files_in(folder) if not is_nifti(path))


def _below(folder: Path) -> Iterator[Path]:
    """What lies in a folder, perhaps as study/series/slice."""
    return chain.from_iterable(folder.glob(depth) for depth in ("*", "*/*", "*/*/*"))
