"""Verdicts: who is within what, from measurements made up for the purpose."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared_data import shared_data_folder

from tanq_monai.anatomy.published import published
from tanq_monai.errors import InputError
from tanq_monai.phantom.check import Measurement, Report, make_folder
from tanq_monai.phantom.check.population import Row, geometry_rows, ratio_rows, scan_rows
from tanq_monai.phantom.check.published import published_scans
from tanq_monai.phantom.scanner.protocols import SITES, draw_protocol


def measurement(name: str, sequence: str = "CISS", **figures: float) -> Measurement:
    named = {key.replace("__", " / ").replace("_", " "): value for key, value in figures.items()}
    return Measurement(name, "ldn hrT2", "hrT2", sequence, "right", {"in plane": 0.5, "height": 90.0, **named})


def row(rows: list[Row], figure: str) -> Row:
    return next(r for r in rows if r.figure == figure)


def report(*measurements: Measurement, is_phantom: bool = True) -> Report:
    return Report("title", "phantom-check", list(measurements), is_phantom, whole_scans=True)


def test_a_size_is_judged_for_every_patient() -> None:
    patients = [measurement(f"patient {i}", VS_volume=v) for i, v in enumerate((238.0, 239.0, 6776.0, 6800.0, np.nan))]
    found = row(geometry_rows(patients), "VS volume")
    assert len(found.values) == 4
    assert found.outside == (
        "patient 0, CISS: VS volume 238, published 238.9 to 6776",
        "patient 3, CISS: VS volume 6800, published 238.9 to 6776",
    )


@pytest.mark.parametrize(
    ("number", "factor", "fails"),
    [(20, 1.0, False), (20, 0.44, True), (19, 0.44, False), (20, 0.46, False), (20, 2.27, False), (20, 2.3, True)],
)
def test_the_median_of_twenty_patients_lies_within_the_middle_half(number: int, factor: float, fails: bool) -> None:
    values = np.clip(1408 * factor * np.linspace(0.9, 1.1, number), 240, 6700)
    patients = [measurement(f"patient {i}", VS_volume=v) for i, v in enumerate(values)]
    found = row(geometry_rows(patients), "VS volume")
    assert not found.outside
    line = f"VS volume, median of {number}, {1408 * factor:.4g}, allowed 636.2 to 3217"
    assert found.failures == ((line,) if fails else ())
    assert report(*patients).failures == ([line] if fails else [])
    text = report(*patients).markdown()
    assert re.search(rf"VS volume .* {number} of {number} +\| {'FAILS' if fails else 'ok'} ", text)
    assert report(*patients, is_phantom=False).failures == []


def test_two_cochleae_are_one_patient_when_a_median_is_judged() -> None:
    def ears(number: int) -> list[Measurement]:
        return [measurement(f"patient {i}", right_cochlea_volume=40.0, left_cochlea_volume=41.0) for i in range(number)]

    assert not row(geometry_rows(ears(19)), "cochlea volume").failures
    assert row(geometry_rows(ears(20)), "cochlea volume").failures == (
        "cochlea volume, median of 40, 40.5, allowed 45.75 to 68.47",
    )


def test_a_finer_scan_without_that_label_does_not_hide_the_other() -> None:
    coarse = measurement("patient 1", VS_volume=300.0)
    fine = measurement("patient 1", in_plane=0.4, right_cochlea_volume=50.0)
    rows = geometry_rows([coarse, fine])
    assert list(row(rows, "VS volume").values) == [300]
    assert list(row(rows, "cochlea volume").values) == [50]


def test_both_cochleae_are_judged() -> None:
    patient = measurement("patient 7", right_cochlea_volume=50.0, left_cochlea_volume=20.0)
    found = row(geometry_rows([patient]), "cochlea volume")
    assert sorted(found.values) == [20, 50]
    assert found.outside == ("patient 7, CISS: left cochlea volume 20, published 32.5 to 92.5",)


def test_a_patients_size_is_that_in_its_finer_scan() -> None:
    coarse = measurement("patient 1", VS_volume=100.0)
    fine = measurement("patient 1", VS_volume=300.0, in_plane=0.4)
    for pair in ([coarse, fine], [fine, coarse]):
        assert list(row(geometry_rows(pair), "VS volume").values) == [300]


def test_the_median_distance_of_the_cochleae_is_judged_not_each() -> None:
    patients = [measurement(str(i), cochleae_apart=v) for i, v in enumerate((60.0, 69.0, 80.0))]
    assert not row(geometry_rows(patients), "cochleae apart").outside
    assert row(geometry_rows(patients[:1]), "cochleae apart").outside == (
        "cochleae apart, median of 1, 60, allowed 68 to 71",
    )


@pytest.mark.parametrize(("part", "fails"), [(0.84, True), (0.86, False), (1.14, False), (1.16, True)])
def test_a_median_ratio_may_be_15_percent_from_the_published_one(part: float, fails: bool) -> None:
    value = 0.202 / 0.070 * part
    patients = [measurement(str(i), VS__brain=v) for i, v in enumerate((0.1, 0.2, value, 9.0, 9.1))]
    found = row(ratio_rows(patients), "VS / brain")
    assert found.published == pytest.approx((2.886,), abs=1e-3)
    assert bool(found.outside) == fails
    if fails:
        assert found.outside[0].startswith(f"CISS: VS / brain, median of 5, {value:.4g}, allowed 2.453 to 3.319")


def test_a_ratio_of_fewer_than_five_patients_or_without_a_published_one_is_not_judged() -> None:
    few = [measurement(str(i), VS__brain=99.0) for i in range(4)]
    unknown = [measurement(str(i), "a new sequence", VS__brain=99.0) for i in range(9)]
    for patients, word in ((few, "too few"), (unknown, "not published")):
        (found,) = ratio_rows(patients)
        assert not found.outside
        assert not found.is_judged
        assert word in report(*patients).markdown()


@pytest.mark.parametrize(
    ("value", "verdict"), [(4.1, "differs"), (4.3, "as published"), (8.0, "as published"), (13.0, "differs")]
)
def test_an_unknown_sequence_of_london_is_put_beside_both(value: float, verdict: str) -> None:
    patients = [measurement(str(i), "London hrT2", CSF__brain=value) for i in range(5)]
    found = row(ratio_rows(patients), "CSF / brain")
    assert found.published == pytest.approx((345 / 70, 852 / 77))
    text = report(*patients, is_phantom=False).markdown()
    assert re.search(rf"London hrT2 \| CSF / brain \| 4.93 / 11.1 \| {value:.3g} .* \| 5 \| +\| {verdict} +\|", text)
    assert "London hrT2: CISS in 193 of 242 scans, else 3D TSE restore" in text
    assert "London hrT2" not in report(measurement("0", CSF__brain=value)).markdown()


def test_the_notes_say_what_the_cochlea_is_judged_by() -> None:
    text = " ".join(report(measurement("0", CSF__brain=5.0)).markdown().split())
    assert "Cochlea / petrous bone is published for MPRAGE only (one real patient)" in text
    assert "2 of 242 scans of London's ceT1; on hrT2 the cochlea is judged by its fluid." in text
    assert "cochlear fluid is the 95th percentile" in text


def test_a_slab_is_judged_unless_the_scans_are_cut_to_a_box() -> None:
    patients = [measurement("patient 0", height=45.0), measurement("patient 1", height=60.0)]
    whole = row(scan_rows(patients, whole_scans=True), "height")
    assert whole.outside == ("patient 0, CISS: height 45, published 60 to 120",)
    cut = scan_rows(patients, whole_scans=False)
    assert [r.figure for r in cut] == ["in plane", "between slices"]


@pytest.mark.parametrize(("spacing", "fails"), [(0.469, False), (0.547, False), (0.40, True), (0.60, True)])
def test_voxels_in_plane_are_those_of_the_site(spacing: float, fails: bool) -> None:
    patient = measurement("patient 0", in_plane=spacing)
    assert bool(row(scan_rows([patient], whole_scans=False), "in plane").outside) == fails


def test_real_patients_are_described_and_never_fail() -> None:
    odd = measurement("crossmoda_1_hrT2.nii.gz", VS_volume=9.0)
    assert report(odd).failures == ["crossmoda_1_hrT2.nii.gz, CISS: VS volume 9, published 238.9 to 6776"]
    described = report(odd, is_phantom=False)
    assert described.failures == []
    assert re.search(r"VS volume .* 0 of 1 .* differs", described.markdown())


def test_tables_have_as_many_cells_in_every_line_and_no_rows_without_values() -> None:
    text = report(*(measurement(str(i), VS_volume=500.0 + i, CSF__brain=5.0) for i in range(6))).markdown()
    assert re.search(
        r"VS volume +\| 239 / 636 / 1408 / 3217 / 6776 +\| 500 / 501 / 502 / 504 / 505 +\| 6 of 6 +\| ok", text
    )
    assert re.search(r"CISS +\| CSF / brain +\| 4.93 +\| 5 \(5, 5\) +\| 6 \| \+1% +\| ok", text)
    assert "cochlea volume" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert len({len(line) for line in table.splitlines()}) == 1


def test_the_files_hold_the_tables_and_every_scans_figures(tmp_path: Path) -> None:
    written = report(measurement("patient 0", VS_volume=1234.5678), measurement("patient 1", CSF__brain=np.nan))
    written.write(tmp_path)
    assert (tmp_path / "phantom_check.md").read_text(encoding="utf-8") == written.markdown()
    with (tmp_path / "phantom_check.csv").open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["name"], first["scans"], first["sequence"], first["side"]) == (
        "patient 0",
        "ldn hrT2",
        "CISS",
        "right",
    )
    assert (first["VS volume"], second["VS volume"], second["CSF / brain"]) == ("1234.57", "", "")


@pytest.mark.slow
def test_the_files_are_in_utf_8_whatever_the_machines_encoding_is(tmp_path: Path) -> None:
    program = (
        "import sys; from test_check_population import measurement, report;"
        "report(measurement('J\\u00fcrgen', VS_volume=500.0)).write(sys.argv[1])"
    )
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent)])
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=True)
    assert "Jürgen" in (tmp_path / "phantom_check.csv").read_text(encoding="utf-8")
    assert "mm³" in (tmp_path / "phantom_check.md").read_text(encoding="utf-8")


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=r"taken: cannot be made .*; choose another output folder"):
        make_folder(tmp_path / "taken")


def test_every_common_protocol_of_the_phantom_has_published_ratios() -> None:
    rng = np.random.default_rng(0)
    names = {
        draw_protocol(rng, site, contrast).name for site in SITES for contrast in ("ceT1", "hrT2") for _ in range(40)
    }
    assert names - {"MPRAGE"} <= set(published_scans().ratios)
    assert published_scans().ratios["CISS"] == pytest.approx(
        {"VS / brain": 202 / 70, "cochlear fluid / brain": 218 / 70, "CSF / brain": 345 / 70}
    )
    assert published_scans().ratios["3D FLASH"].keys() == {"VS / brain", "cochlea / brain", "CSF / brain"}


def test_published_percentiles_are_those_of_the_public_contours() -> None:
    with shared_data_folder("vs_seg_geometry.csv").open() as file:
        rows = [{k: float(v or "nan") for k, v in line.items() if k != "sub"} for line in csv.DictReader(file)]
    column = {name: np.array([line[name] for line in rows]) for name in rows[0]}
    expected = {
        "VS volume": column["vs_mm3"],
        "VS left-right": column["vs_ext_LR"],
        "VS front-back": column["vs_ext_AP"],
        "VS up-down": column["vs_ext_SI"],
        "cochlea volume": column["coch_mm3"],
        "cochlea left-right": column["c_ext_LR"],
        "cochlea front-back": column["c_ext_AP"],
        "cochlea up-down": column["c_ext_SI"],
        "VS medial": (column["c_L"] - column["vs_L"]) * np.sign(column["vs_L"]),
        "VS posterior": column["vs_P"] - column["c_P"],
        "VS superior": column["vs_S"] - column["c_S"],
    }
    assert expected.keys() == published().geometry.keys()
    for figure, values in expected.items():
        percentiles = np.nanpercentile(values, (5, 25, 50, 75, 95))
        np.testing.assert_allclose(published().geometry[figure], percentiles, rtol=6e-4, err_msg=figure)
    london = 512 * 512 * 120 * 0.41015625**2 * 1.5
    for structure, volume in (("VS", column["vs_mm3"]), ("cochleae", 2 * column["coch_mm3"])):
        shares = 100 * np.nanpercentile(volume, (5, 95)) / london * (1, 180 / 160)  # p95 in a thin scan
        np.testing.assert_allclose(published_scans().voxels["ldn ceT1"][structure], shares, rtol=2e-3)
