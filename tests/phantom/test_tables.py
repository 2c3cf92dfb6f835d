from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tanq_monai.phantom import Case, draw_patient
from tanq_monai.phantom.dataset.tables import PatientRow, write_tables


def row(name: str, subset: str = "source", site: str = "ldn", koos: int | None = 3) -> PatientRow:
    return PatientRow(name, subset, site, "CISS", "left", 812.5, koos, True, 4, 7)


def test_the_koos_table_reads_as_that_of_crossmoda_2022(tmp_path: Path) -> None:
    rows = [row("crossmoda2021_ldn_1"), row("crossmoda2022_etz_0", site="etz", koos=None)]
    rows += [row("crossmoda2021_ldn_2", koos=None), row("crossmoda2021_ldn_106", subset="target")]
    write_tables(tmp_path, rows)
    assert (tmp_path / "infos_source_training.csv").read_text() == (
        "crossmoda_name,center,group,koos\n"
        "crossmoda2021_ldn_1,London,training_source,3\n"
        "crossmoda2022_etz_0,Tilburg,training_source,post-operative-tilburg\n"
        "crossmoda2021_ldn_2,London,training_source,post-operative-london\n"
    )


def test_the_withheld_table_has_every_patient(tmp_path: Path) -> None:
    write_tables(tmp_path, [row("crossmoda2021_ldn_1"), row("crossmoda2021_ldn_106", subset="target", koos=None)])
    assert (tmp_path / "withheld_labels/patients.csv").read_text() == (
        "name,subset,site,sequence,side,vs_mm3,koos,cystic,seed,index\n"
        "crossmoda2021_ldn_1,source,ldn,CISS,left,812.5,3,True,4,7\n"
        "crossmoda2021_ldn_106,target,ldn,CISS,left,812.5,,True,4,7\n"
    )


def test_side_and_volume_of_the_table_are_those_of_the_labels(tiny_phantom: Path) -> None:
    table = pd.read_csv(tiny_phantom / "withheld_labels/patients.csv", keep_default_na=False)
    for line in table.itertuples():
        label = nib.load(Case(line.subset, line.index).label_path(tiny_phantom))
        voxels = np.argwhere(np.asarray(label.dataobj) == 1)
        if not line.side:
            assert len(voxels) == line.vs_mm3 == 0
            continue
        right = nib.affines.apply_affine(label.affine, voxels)[:, 0].mean()
        assert line.side == ("right" if right > 0 else "left")
        assert len(voxels) * np.prod(label.header.get_zooms()) == pytest.approx(line.vs_mm3, rel=0.2, abs=60)


def test_seed_subset_and_index_of_the_table_make_the_patient_again(tiny_phantom: Path) -> None:
    table = pd.read_csv(tiny_phantom / "withheld_labels/patients.csv", keep_default_na=False)
    assert len(table) == 10
    for line in table.itertuples():
        case = Case(line.subset, line.index)
        tumor = draw_patient(case.seeds(line.seed)[0]).tumor
        assert case.name == line.name
        assert line.vs_mm3 == (pytest.approx(tumor.volume, abs=0.05) if tumor else 0)
        assert str(line.koos) == (str(tumor.koos) if tumor else "")
        assert line.cystic == bool(tumor and tumor.cysts)
    assert set(table.site) == {"ldn", "etz"}
