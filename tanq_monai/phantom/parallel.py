"""Virtual patients or scans in threads, several at a time."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from tanq_monai.errors import InputError
from tanq_monai.phantom.scanner.protocols import SIZES

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int | None, title: str, unit: str
) -> list[Result]:
    """Results in the order of the jobs, with a progress bar. After an error or Ctrl-C no further job is begun.

    Args:
        work: of one job.
        jobs: all of them.
        workers: threads; None: one per core.
        title: stands before the bar.
        unit: what a job is, in the bar.

    Raises:
        InputError: when there are no workers.
    """
    _check_workers(workers)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc=title, unit=unit):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def check_settings(size: str, seed: int, workers: int | None) -> None:
    """Refuse what no virtual patient can be made with.

    Raises:
        InputError: when the size is unknown, the seed negative, or there are no workers.
    """
    if size not in SIZES:
        raise InputError("size", f"{size!r} is unknown", f"choose one of {', '.join(SIZES)}")
    if seed < 0:
        raise InputError("seed", f"is {seed}", "give 0 or more")
    _check_workers(workers)


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise InputError("workers", f"is {workers}", "give 1 or more")
