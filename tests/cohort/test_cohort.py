"""`tanq-monai cohort` with real workers: one is killed, and no scan is lost, done twice, or labelled otherwise."""

import csv
import multiprocessing.forkserver
import os
import signal
import sys

import dask
import dask_jobqueue
import pytest
from distributed import default_client
from files import scan, write_nifti
from made_up_models import write_model
from processes import CONTEXT
from typed import mistakes, run_command

from tanq_monai.claims import locked
from tanq_monai.cohort import label_cohort, workers
from tanq_monai.errors import InputError
from tanq_monai.labelling import segment_scans

CASES = [f"c{number}" for number in range(7)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model", "2d")


@pytest.fixture
def folder(tmp_path):
    """Scans, one of which is cut after its header."""
    for number, case in enumerate(CASES):
        write_nifti(tmp_path / "in" / f"{case}_hrT2.nii.gz", scan(number))
    cut = write_nifti(tmp_path / "in" / "cut_hrT2.nii.gz", scan(8))
    cut.write_bytes(cut.read_bytes()[:1500])
    return tmp_path


@pytest.fixture
def forked(slow):
    """Workers are children of a server that has everything imported, and a scan that ends a worker has one try."""
    assert CONTEXT.get_start_method() == "forkserver"
    multiprocessing.forkserver.ensure_running()
    choices = {
        "distributed.worker.multiprocessing-method": "forkserver",
        "distributed.scheduler.allowed-failures": 0,
    }
    with dask.config.set(choices), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def label(folder, models, tell, number=1):
    return label_cohort([folder / "in"], folder / "out", tell, workers=number, ensemble_dir=models, ears_first=False)


def kill_worker_at(key):
    """SIGKILL to the worker that has this piece of work."""
    client = default_client()
    (address,) = (address for address, keys in client.processing().items() if key in keys)
    os.kill(client.run(os.getpid)[address], signal.SIGKILL)


def told_cases(lines):
    return sorted(line.split()[1].rstrip(":") for line in lines if line.startswith("["))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_of_three_workers_one_is_killed_and_every_scan_is_labelled_once_as_segment_does(folder, models, forked):
    lines = []
    with (
        locked(folder / "out" / "records" / "c3.lock") as lock,
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
    ):

        def tell(line):
            lines.append(line)
            if line.startswith(f"[{len(CASES)}/"):  # the last scan is waiting for its lock in some worker
                before.update({path.name: path.read_bytes() for path in (folder / "out" / "records").glob("*.json")})
                kill_worker_at("scan-3")
                lock.close()

        before = {}
        done = label(folder, models, tell, number=3)
    assert told_cases(lines) == sorted([*CASES, f"{folder}/in/cut_hrT2.nii.gz"])
    assert len(before) == len(CASES) - 1
    assert before.items() <= {p.name: p.read_bytes() for p in (folder / "out" / "records").glob("*.json")}.items()
    with pytest.raises(InputError, match=r"out/cohort.csv: tells of 1 that could not be labelled"):
        done.raise_failures()
    plain = segment_scans([folder / "in"], folder / "plain", lambda line: None, models, ears_first=False, threads=1)
    assert [one.case for one in plain.labelled] == CASES
    for case in CASES:
        name = f"{case}_Label.nii.gz"
        assert (folder / "out" / name).read_bytes() == (folder / "plain" / name).read_bytes()
    assert rows_of(done.table) == rows_of(plain.table)
    rows = rows_of(done.outcomes)
    assert {case: row["outcome"] for case, row in rows.items()} == {**dict.fromkeys(CASES, "labelled"), "cut": "failed"}
    assert rows["cut"]["told"].startswith(f"{folder}/in/cut_hrT2.nii.gz: ")
    assert not list(folder.rglob("*.lock"))


def test_a_scan_that_ends_its_workers_is_told_and_a_new_start_does_it_and_nothing_else(folder, models, forked):
    (folder / "in" / "cut_hrT2.nii.gz").unlink()
    lines = []
    with locked(folder / "out" / "records" / "c3.lock"):

        def tell(line):
            lines.append(line)
            if line.startswith(f"[{len(CASES) - 1}/"):
                kill_worker_at("scan-3")

        done = label(folder, models, tell, number=2)
    assert done.failed == {
        "c3": f"{folder}/in/c3_hrT2.nii.gz: ended every worker that took it (KilledWorker); give workers more memory"
    }
    lines.clear()
    label(folder, models, lines.append).raise_failures()
    assert lines[1] == f"{len(CASES)} hrT2 scans, {len(CASES) - 1} of them labelled before"
    assert told_cases(lines) == ["c3"]
    lines.clear()
    label(folder, models, lines.append).raise_failures()  # starts no worker at all
    assert lines == ["looking for scans ...", f"{len(CASES)} hrT2 scans, {len(CASES)} of them labelled before"]
    assert [*rows_of(done.outcomes)] == CASES


def test_the_command_tells_where_nothing_can_be_labelled(folder, models):
    cohort = ("cohort", "-o", folder / "out", "--ensemble-dir", models)
    (line,) = mistakes(run_command(*cohort, folder / "nowhere"))
    assert line == f"error: {folder}/nowhere: is not there; see whether its name is right"
    (line,) = mistakes(run_command(*cohort, folder / "in", "--cluster", "lsf"))
    assert line.startswith("error: --cluster lsf: is not local, slurm, sge or pbs")


def test_a_cluster_about_which_nothing_is_configured_is_told(folder, models):
    cohort = ("cohort", folder / "in", "-o", folder / "out", "--ensemble-dir", models, "--cluster", "slurm")
    with dask.config.set({"jobqueue.slurm.cores": None}):
        (line,) = mistakes(run_command(*cohort))
    assert line == (
        "error: ~/.config/dask/jobqueue.yaml: does not say how many cores a job of slurm has; see docs/cohort.md"
    )


def test_without_dask_it_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'cohort: needs Dask, .*; python -m pip install "tanq-monai\[cohort\]"'):
        label(tmp_path, None, print)


def test_a_jobs_script_asks_for_one_worker_with_one_scan_at_a_time_and_keys_that_all_see(tmp_path, monkeypatch):
    """What Slurm would be handed: there is none here."""
    asked = {}
    monkeypatch.setattr(dask_jobqueue.SLURMCluster, "adapt", lambda jobs, **choices: asked.update(choices))
    configured = {"cores": 4, "memory": "8GB", "walltime": "01:00:00", "worker-extra-args": ["--lifetime", "50m"]}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in configured.items()}):
        assert workers.threads_of("slurm", 40) == 4
        with workers._jobs("slurm", 40, tmp_path) as jobs:
            script = jobs.job_script()
            keys = [path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if str(path) in script]
    assert asked == {"minimum_jobs": 40, "maximum_jobs": 40}
    assert "#SBATCH --cpus-per-task=4\n#SBATCH --mem=8G\n#SBATCH -t 01:00:00" in script
    (command,) = (line for line in script.splitlines() if "dask_worker" in line)
    assert " tls://" in command
    assert " --lifetime 50m --nthreads 1 --memory-limit 0 --protocol tls:// --tls-" in command  # the last of two counts
    assert "--nworkers" not in command
    assert keys == [0o600] * 3
    assert not list(tmp_path.iterdir())
