"""Workers: processes of this machine, or jobs that Dask asks a cluster's scheduler for. They may come and go."""

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tanq_monai.errors import InputError, deaf_children

LOCAL = "local"
CLUSTERS = {"slurm": "SLURMCluster", "sge": "SGECluster", "pbs": "PBSCluster"}  # by what dask-jobqueue calls them
_CONFIG = "~/.config/dask/jobqueue.yaml"
# A worker does one scan at a time and keeps nothing: Dask need not hold it back when memory fills up, as it does with
# one that keeps results. What asks for more memory than a job has is ended by the cluster itself.
_SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.logging.distributed": "error",
}
_ANY_PORT = ":0"  # of the dashboard: several cohorts may run on one machine
_OF_WORKERS = ["--nthreads", "1", "--memory-limit", "0"]  # behind those that jobqueue gives, which they replace


@contextlib.contextmanager
def workers_of(cluster: str, number: int, folder: Path) -> Iterator[Any]:
    """A client of Dask's, whose workers each do one piece of work at a time; in the end they are gone.

    One that dies is replaced, and what it was at is given to another one.

    Args:
        cluster: ``local``, or one of :data:`CLUSTERS`, about which Dask's own configuration says the rest.
        number: of workers; of jobs.
        folder: that all workers see, for the keys of this run, by which they and their scheduler trust each other.

    Raises:
        InputError: when the cluster cannot be used.
    """
    import dask
    import distributed

    logging.getLogger("distributed").setLevel(logging.ERROR)  # a worker that is ended or replaced is no news
    with dask.config.set(_SETTINGS), contextlib.ExitStack() as stack:
        with deaf_children():
            running = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=number,
                    threads_per_worker=1,
                    memory_limit=None,
                    dashboard_address=_ANY_PORT,
                    security=True,
                )
                if cluster == LOCAL
                else _jobs(cluster, number, folder)
            )
        yield stack.enter_context(distributed.Client(running))


def check_dask() -> None:
    """Raise where Dask is not installed.

    Raises:
        InputError: which says how to install it.
    """
    try:
        for name in ("distributed", "dask_jobqueue", "cryptography"):
            importlib.import_module(name)
    except ImportError as error:
        remedy = 'python -m pip install "tanq-monai[cohort]"'
        raise InputError("cohort", f"needs Dask, which is not there ({error})", remedy) from error


def threads_of(cluster: str, number: int) -> int:
    """How many threads a worker computes with: its share of this machine's cores, or those of a job.

    Raises:
        InputError: when the configuration does not say how many a job has.
    """
    if cluster == LOCAL:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // number)
    import dask
    import dask_jobqueue  # noqa: F401  (reads the configuration)

    cores = dask.config.get(f"jobqueue.{cluster}.cores")
    if not cores:
        raise InputError(_CONFIG, f"does not say how many cores a job of {cluster} has", "see docs/cohort.md")
    return int(cores)


@contextlib.contextmanager
def _jobs(cluster: str, number: int, folder: Path) -> Iterator[Any]:
    """Jobs of one worker each; one that ends, by its time limit or otherwise, is asked for anew."""
    import dask
    import dask_jobqueue

    section = f"jobqueue.{cluster}"
    try:
        jobs = getattr(dask_jobqueue, CLUSTERS[cluster])(
            processes=1,
            worker_extra_args=[*dask.config.get(f"{section}.worker-extra-args"), *_OF_WORKERS],
            scheduler_options={
                "dashboard_address": _ANY_PORT,
                **dask.config.get(f"{section}.scheduler-options", {}),
            },
            shared_temp_directory=dask.config.get(f"{section}.shared-temp-directory") or str(folder),
            security=True,
        )
    except ValueError as error:
        raise InputError(_CONFIG, f"cannot be used ({error})", "see docs/cohort.md") from error
    jobs.adapt(minimum_jobs=number, maximum_jobs=number)
    try:
        with jobs:
            yield jobs
    finally:  # the keys of this run go with it, and not when Python forgets the jobs
        for name, file in vars(jobs).items():
            if name.startswith("_job_") and hasattr(file, "close"):
                file.close()
