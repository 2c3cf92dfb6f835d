"""How much the volume of a VS differs between two scans of one patient in whom nothing has grown.

    python scripts/growth_noise.py --output-dir OUT --num-patients 40 --num-scans 3 --seed 0

scans every virtual patient several times within a day: the sequence, its settings, the voxels, the slab, the head's
position, motion and noise are those of another hospital each time. `tanq-monai segment` labels the scans with the
shipped weights. OUT/volumes.csv has the volumes, OUT/noise.json what `tanq-monai growth` reads as
tanq_monai/growth/noise.json.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import fire
import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import VIRTUAL, check_output_dir, is_written, write_json
from tanq_monai.labelling import segment_scans
from tanq_monai.phantom.anatomy.patient import Patient, draw_patient, with_findings
from tanq_monai.phantom.dataset.nifti import write_nifti
from tanq_monai.phantom.parallel import in_threads
from tanq_monai.phantom.scanner.acquisition import render
from tanq_monai.phantom.scanner.flaws import draw_flaws
from tanq_monai.phantom.scanner.hospitals import draw_sequence, draw_settings
from tanq_monai.phantom.scanner.protocols import SITES, draw_grid

SIZE = "crop"  # the voxels of two hospitals, in a box round both ears
VS = 1
BOUNDS_ML = (0.0, 1.0)  # least volumes of the classes whose noise is told apart


def growth_noise(
    output_dir: str, num_patients: int = 40, num_scans: int = 3, seed: int = 0, workers: int | None = None
) -> None:
    """Scan, segment, measure.

    Args:
        output_dir: gets everything.
        num_patients: with a VS.
        num_scans: of each.
        seed: of the patients and scans.
        workers: threads.
    """
    root = check_output_dir(output_dir).resolve()
    write = partial(write_scans, root / "scans", num_scans)
    in_threads(write, list(patients(seed, num_patients)), workers, "virtual patients", "patient")
    done = segment_scans([root / "scans"], root / "labels", lambda line: print(line, flush=True), threads=workers)
    volumes = {one.case: one.findings["VS"]["volume_ml"] for one in done.labelled}
    write_json(record(volumes, num_patients, num_scans, seed), root / "noise.json")
    print((root / "noise.json").read_text())


def record(volumes: Mapping[str, float], num_patients: int, num_scans: int, seed: int) -> dict[str, Any]:
    """What noise.json holds: the noise, and how it was measured."""
    command = "python scripts/growth_noise.py --output-dir OUT"
    facts = {
        "command": f"{command} --num-patients {num_patients} --num-scans {num_scans} --seed {seed}",
        "scans_each": num_scans,
        "seed": seed,
        "date": str(date.today()),
    }
    return noise_of(volumes) | facts


def noise_of(volumes: Mapping[str, float]) -> dict[str, Any]:
    r"""Within-patient standard deviations of the logarithms of volumes, by class of the patient's mean logarithm.

    :math:`\sigma^2` is the mean over patients of the variance of their scans' logarithms, each with its own number of
    degrees of freedom. ``reach`` is the 95th percentile of the differences between two scans of a patient, in units of
    :math:`\sqrt2 \sigma`. Scans in which no VS was found are counted, and left out.

    Args:
        volumes: ml, by PATIENT_scanNUMBER.

    Raises:
        InputError: when a class has no patient.
    """
    logs: dict[str, list[float]] = {}
    for case, ml in volumes.items():
        own = logs.setdefault(case.partition("_scan")[0], [])
        own += [math.log(ml)] if ml else []
    repeated = [np.array(own) for own in logs.values() if len(own) > 1]
    classes, apart = [], []
    for low, high in pairwise((*BOUNDS_ML, math.inf)):
        inside = [own for own in repeated if low <= math.exp(own.mean()) < high]
        if not inside:
            raise InputError("--num-patients", f"leaves no patient with a VS of {low:g} ml or more", "take more")
        squares = sum(float(((own - own.mean()) ** 2).sum()) for own in inside)
        deviation = math.sqrt(squares / sum(len(own) - 1 for own in inside))
        pairs = [abs(one - other) for own in inside for one, other in combinations(own.tolist(), 2)]
        apart += [one / (math.sqrt(2) * deviation) for one in pairs]
        numbers = {"patients": len(inside), "pairs": len(pairs)}
        classes.append({"from_ml": low, "deviation": round(deviation, 4), **numbers})
    found = sum(map(len, logs.values()))
    counts = {"patients": len(logs), "scans": len(volumes), "without_vs_found": len(volumes) - found}
    return {"classes": classes, "reach": round(float(np.quantile(apart, 0.95)), 3), **counts}


def patients(seed: int, count: int) -> Iterator[tuple[str, Patient, np.random.SeedSequence]]:
    """Name, patient, and the seed of the scans, of the first so many patients with a VS."""
    index = 0
    while count:
        own, findings, scans = np.random.SeedSequence([seed, index]).spawn(3)
        patient = with_findings(draw_patient(own), np.random.default_rng(findings))
        if patient.tumor is not None:
            yield f"patient{index}", patient, scans
            count -= 1
        index += 1


def write_scans(folder: Path, num_scans: int, job: tuple[str, Patient, np.random.SeedSequence]) -> None:
    """Scans of one patient that show the whole VS; those of a run that was stopped are kept."""
    name, patient, seed = job
    paths = [folder / f"{name}_scan{number}_hrT2.nii.gz" for number in range(num_scans)]
    if all(is_written(path, VIRTUAL) for path in paths):
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    while paths:
        sequence = draw_sequence(rng)
        grid = draw_grid(rng, SIZE, SITES[int(rng.integers(len(SITES)))], "hrT2")
        image, label = render(patient, draw_settings(rng, sequence), grid, rng, draw_flaws(rng, grid.shape))
        if shows_all(label == VS):
            write_nifti(paths.pop(0), image, grid.affine, f"virtual patient; {sequence.name}")


def shows_all(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask is not empty and keeps away from the border of the scan."""
    return bool(mask.any()) and np.count_nonzero(mask) == np.count_nonzero(mask[1:-1, 1:-1, 1:-1])


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(growth_noise)
