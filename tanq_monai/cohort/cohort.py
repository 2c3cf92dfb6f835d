"""A folder of scans as a work list; workers take one after the other, and what was done before is not done again."""

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tanq_monai.cohort.pace import Pace
from tanq_monai.cohort.work import Labelling, label_scan, read_record
from tanq_monai.cohort.workers import LOCAL, check_dask, threads_of, workers_of
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import check_output_dir, check_renewable, renewing, sha256_of, write_text
from tanq_monai.labelling.labelled import TABLE, Labelled, Results, write_table
from tanq_monai.labelling.labeller import CONTRAST, lines_of, models_in
from tanq_monai.scans.gathering import GatheredScan, gather_scans
from tanq_monai.segmentation.inference.ensemble import read_ensemble

OUTCOMES = "cohort.csv"
COLUMNS = ("case", "scan", "outcome", "told")
LABELLED, FAILED, PASSED_OVER = "labelled", "failed", "passed over"
_MODEL_FILES = ("model.pt", "plans.json", "dataset.json")


@dataclass(kw_only=True)
class Cohort(Results):
    """What became of the scans.

    Attributes:
        labelled: by case.
        failed: a line about each scan that could not be labelled, by its case.
    """

    labelled: dict[str, Labelled] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def outcomes(self) -> Path:
        """One row for everything that was found: labelled, failed or passed over, and why."""
        return self.folder / OUTCOMES

    def raise_failures(self) -> None:
        """Raise when there are any.

        Raises:
            InputError: one line, which names the table.
        """
        if count := len(self.failed) + len(self.problems):
            raise InputError(
                self.outcomes,
                f"tells of {count} that could not be labelled, each in a line",
                "start again to try these again, and no others",
            )


def label_cohort(
    places: Sequence[str | Path],
    output_dir: str | Path,
    tell: Callable[[str], None],
    cluster: str = LOCAL,
    workers: int = 1,
    ensemble_dir: str | Path | None = None,
    ears_first: bool = True,
    threads: int | None = None,
    device: str | None = None,
) -> Cohort:
    """Label every hrT2 scan in files and folders by many workers, each one as ``segment_scans`` does.

    Args:
        places: see :func:`tanq_monai.scans.gathering.gather_scans`.
        output_dir: gets labels and RT Structure Sets, and the tables.
        tell: is called with every line for a user.
        cluster: ``local``, or one of :data:`tanq_monai.cohort.workers.CLUSTERS`.
        workers: how many.
        ensemble_dir: a trained model, or several with their ``ensemble.json``. Default: the shipped one.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them, and nothing else.
        threads: that compute in a worker. Default: its share of the cores.
        device: of each worker.

    Raises:
        InputErrors: when there is no scan.
        InputError: when Dask is not there; when the models, the folder or the cluster cannot be used.
    """
    check_dask()
    models = models_in(ensemble_dir)
    weights = _digest(models)
    folder = check_output_dir(output_dir).resolve()
    labelling = Labelling(folder, models, weights, ears_first, threads or threads_of(cluster, workers), device)
    check_renewable([folder / TABLE, folder / OUTCOMES])
    tell("looking for scans ...")
    found = gather_scans(places, CONTRAST, leave_out=folder)
    if not found.scans:
        raise InputErrors([*found.passed_over, *found.problems])
    done = Cohort(folder=folder, problems=lines_of(found.problems), passed_over=lines_of(found.passed_over))
    keys = {scan.case: labelling.key(scan) for scan in found.scans}
    before = {case: read_record(folder, case, key) for case, key in keys.items()}
    done.labelled = {case: one for case, one in before.items() if one is not None}
    left = [scan for scan in found.scans if scan.case not in done.labelled]
    tell(_found(found.scans, done))
    try:
        if left:
            _label(left, keys, labelling, done, tell, cluster, workers)
    finally:  # also when somebody stops it
        _write_tables(found.scans, done)
    return done


def _label(
    left: Sequence[GatheredScan],
    keys: dict[str, str],
    labelling: Labelling,
    done: Cohort,
    tell: Callable[[str], None],
    cluster: str,
    workers: int,
) -> None:
    with workers_of(cluster, workers, labelling.folder) as client:
        from distributed import as_completed

        tell(f"{len(left)} scans to label, {workers} workers ({cluster}), {labelling.threads} threads each")
        futures = client.map(
            label_scan,
            left,
            [keys[scan.case] for scan in left],
            labelling=labelling,
            key=[f"scan-{number}" for number in range(len(left))],
            pure=False,
            batch_size=100,
        )
        scans, pace = dict(zip((future.key for future in futures), left, strict=True)), Pace()
        for number, future in enumerate(as_completed(futures), start=1):
            scan = scans[future.key]
            try:
                outcome = future.result()
            except Exception as error:  # Dask's own: what goes wrong in a worker is a line
                outcome = _told(scan, error)
            future.release()
            _note(scan.case, outcome, done)
            tell(f"[{number}/{len(left)}] {outcome}" + _behind(pace.told(time.monotonic(), len(left) - number)))


def _note(case: str, outcome: Labelled | str, done: Cohort) -> None:
    if isinstance(outcome, Labelled):
        done.labelled[case] = outcome
    else:
        done.failed[case] = outcome


def _told(scan: GatheredScan, error: Exception) -> str:
    """A line about what Dask says of a piece of work that is not done: it gave it up when several workers had died."""
    told = InputError(
        scan.place, f"ended every worker that took it ({type(error).__name__})", "give workers more memory"
    )
    return str(told)


def _behind(pace: str) -> str:
    return f" ({pace})" if pace else ""


def _found(scans: Sequence[GatheredScan], done: Cohort) -> str:
    told = [f"{len(scans)} {CONTRAST} scans"]
    told += [f"{len(done.labelled)} of them labelled before"] if done.labelled else []
    told += [f"{len(done.problems)} files or series that cannot be used"] if done.problems else []
    told += [f"{len(done.passed_over)} series of other contrasts"] if done.passed_over else []
    return ", ".join(told)


def _digest(models: Path) -> str:
    """Of all models' files."""
    return sha256_of(*(member / name for member in read_ensemble(models).members for name in _MODEL_FILES))


def _write_tables(scans: Sequence[GatheredScan], done: Cohort) -> None:
    write_table([done.labelled[scan.case] for scan in scans if scan.case in done.labelled], done.table)
    rows: list[tuple[str, str, str, str]] = []
    for scan in scans:
        if scan.case in done.labelled:
            rows.append((scan.case, str(scan.place), LABELLED, "; ".join(done.labelled[scan.case].remarks)))
        elif scan.case in done.failed:
            rows.append((scan.case, str(scan.place), FAILED, done.failed[scan.case]))
    for outcome, lines in ((FAILED, done.problems), (PASSED_OVER, done.passed_over)):
        rows += [("", line.partition(": ")[0], outcome, line) for line in lines]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    with renewing(done.outcomes) as temporary:
        write_text(text.getvalue(), temporary)
