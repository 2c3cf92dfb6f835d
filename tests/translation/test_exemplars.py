"""Which scans are exemplars, and what their looks are."""

from hashlib import sha256

import nibabel as nib
import numpy as np
import pytest
import torch

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.networks import ExemplarGenerator
from tanq_monai.translation.exemplars import Exemplars
from tanq_monai.translation.slices import SliceSize, SliceStore

SIZE = SliceSize(pixels=32, pixel_mm=4.0, slab_mm=20.0)


def _write(folder, case, seed, blank=()):
    """A box of noise in 30 slices 2 mm apart, of which some show nothing."""
    voxels = np.zeros((30, 30, 30), dtype=np.float32)
    voxels[5:25, 5:25] = np.random.default_rng(seed).uniform(20, 100, (20, 20, 30))
    voxels[:, :, list(blank)] = 0
    folder.mkdir(exist_ok=True)
    path = folder / f"{case}_hrT2.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([4.0, 4.0, 2.0, 1.0])), path)
    return path


def _network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ExemplarGenerator(width=4, blocks=1)


def test_an_exemplar_that_shows_nothing_where_slices_are_cut_is_told(tmp_path):
    path = _write(tmp_path, "a", 1, blank=range(5, 25))  # the slab is the middle
    with pytest.raises(InputError, match=r"a_hrT2\.nii\.gz: shows nothing where slices are cut; give another exemplar"):
        Exemplars([path], SIZE).shown_to(_network())


def test_a_look_is_the_mean_of_the_style_codes_of_the_slices_that_a_training_would_cut(tmp_path):
    paths = [_write(tmp_path, "b", 1), _write(tmp_path, "a", 2)]
    network = _network()
    shown = Exemplars(paths, SIZE).shown_to(network)
    assert shown is network
    assert shown.looks.shape == (2, 8)
    for path, look in zip(paths, shown.looks, strict=True):
        store = SliceStore([{"case": "one", "image": str(path)}], SIZE, tmp_path / path.stem)
        with torch.no_grad():
            codes = [network.style(store[number][None, :1])[0] for number in range(len(store))]
        assert len(codes) == 10
        torch.testing.assert_close(look, torch.stack(codes).mean(dim=0), rtol=0, atol=1e-3)  # kept as int16
    assert (shown.looks[0] - shown.looks[1]).abs().max() > 1e-2


def test_slices_that_show_nothing_do_not_count(tmp_path):
    blank = [15, 17]
    path, network = _write(tmp_path, "a", 1, blank), _network()
    (look,) = Exemplars([path], SIZE).shown_to(network).looks
    store = SliceStore([{"case": "one", "image": str(path)}], SIZE, tmp_path / "slices")
    slices = torch.stack([store[number] for number in range(len(store)) if store[number][0].max() > -1])
    assert len(slices) == len(store) - len(blank)
    with torch.no_grad():
        torch.testing.assert_close(look, network.style(slices[:, :1]).mean(dim=0), rtol=0, atol=1e-3)


def test_a_folder_stands_for_all_its_hrT2_scans_by_the_names_of_their_cases(tmp_path):
    for case in ("ldn_2", "etz_1"):
        path = _write(tmp_path / "scans", case, 1)
    path.rename(path.with_name("etz_1_ceT1.nii.gz"))
    other = _write(tmp_path, "other", 2)
    exemplars = Exemplars([other, tmp_path / "scans"], SIZE)
    assert list(exemplars.scans) == ["other", "ldn_2"]
    assert exemplars.facts("other") == {"file": other.name, "sha256": sha256(other.read_bytes()).hexdigest()}


def test_all_that_cannot_be_exemplars_are_told_at_once_one_line_each(tmp_path):
    source = _write(tmp_path, "a", 1)
    source = source.rename(source.with_name("a_ceT1.nii.gz"))
    with pytest.raises(InputErrors) as caught:
        Exemplars([source, tmp_path / "none_hrT2.nii.gz"], SIZE).shown_to(_network())
    first, second = str(caught.value).splitlines()
    assert first == f"{source}: is no hrT2 by its name; give hrT2, or its right name to a file of it"
    assert second.startswith(f"{tmp_path}/none_hrT2.nii.gz: ")
