"""The table of what training together is worth."""

import pandas as pd
from federated_worth import ROWS, link_site, table


def test_a_cell_is_the_mean_over_trainings_and_a_sites_scans_that_hold_the_structure():
    rows = [
        {"case": "c_ldn_1_hrT2", "VS": 0.5, "cochlea": 0.8, "seed": 0},
        {"case": "c_ldn_2_hrT2", "VS": float("nan"), "cochlea": 0.6, "seed": 0},
        {"case": "c_etz_3_hrT2", "VS": 0.1, "cochlea": 0.2, "seed": 0},
        {"case": "c_ldn_1_hrT2", "VS": 0.7, "cochlea": 0.8, "seed": 1},
        {"case": "c_ldn_2_hrT2", "VS": float("nan"), "cochlea": 0.8, "seed": 1},
        {"case": "c_etz_3_hrT2", "VS": 0.3, "cochlea": 0.4, "seed": 1},
    ]
    found = pd.concat(pd.DataFrame(rows).assign(row=row) for row in ROWS)
    head, _, *lines = table(found).splitlines()
    assert head == "| trained | London's VS | London's cochlea | Tilburg's VS | Tilburg's cochlea |"
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [*ROWS]
    cells = lines[0].strip("| ").split(" | ")[1:]
    assert [cell.split()[0] for cell in cells] == ["0.600", "0.750", "0.200", "0.300"]
    assert [cell.rpartition("= ")[2] for cell in cells] == ["1", "2", "1", "1"]


def test_a_site_is_given_links_to_its_own_scans_and_their_labels(tmp_path):
    for place, end in (("training_target", "hrT2"), ("withheld_labels/training_target", "Label")):
        (tmp_path / place).mkdir(parents=True)
        for case in ("c_ldn_1", "c_etz_2"):
            (tmp_path / place / f"{case}_{end}.nii.gz").touch()
    for _ in range(2):
        links = {file.name for file in link_site(tmp_path, tmp_path / "links", "ldn").iterdir()}
    assert links == {"c_ldn_1_hrT2.nii.gz", "c_ldn_1_Label.nii.gz"}
    assert len([*link_site(tmp_path, tmp_path / "all", "").iterdir()]) == 4
