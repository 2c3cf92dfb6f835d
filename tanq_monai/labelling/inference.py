"""A bundle's inference in this process: MONAI's workflow, with a word after every scan."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tanq_monai.errors import InputError, InputErrors, mistake_behind

_NO_BAR = [{"_target_": "tanq_monai.scans.loading.EndWithScans"}]  # whoever calls tells of the progress


def run_inference(
    bundle: Path, config: str, choices: Mapping[str, Any], on_result: Callable[[Path, float], None]
) -> list[InputError | InputErrors]:
    """Run a config of a bundle, scan after scan; what ``python -m monai.bundle run`` with the same choices does.

    Args:
        bundle: its folder.
        config: such as ``ensemble``, with MONAI's ``evaluator`` and a folder's listing as ``scan``.
        choices: by name.
        on_result: is called with the path of every scan, and the seconds that it took, when its results are written.

    Returns:
        The mistakes in scans that could not be read.

    Raises:
        RuntimeError: MONAI's, with an :class:`InputError` in its chain of causes, for a model or a folder that cannot
            be used.
    """
    from ignite.engine import Engine, Events
    from monai.bundle import ConfigWorkflow

    began = [0.0]

    def after_scan(engine: Engine) -> None:
        began.append(time.perf_counter())
        on_result(Path(engine.state.output[0]["image"].meta["filename_or_obj"]), began[-1] - began[-2])

    with _in_silence():
        workflow = ConfigWorkflow(
            config_file=str(bundle / "configs" / f"{config}.yaml"),
            workflow_type="inference",
            logging_file=False,
            **{"bundle_root": str(bundle), "handlers": _NO_BAR, **choices},
        )
        workflow.initialize()
        scan, evaluator = (workflow.parser.get_parsed_content(name) for name in ("scan", "evaluator"))
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, after_scan)
        began[0] = time.perf_counter()
        try:
            workflow.run()
        except Exception as error:
            told = mistake_behind(error)
            # In the end the config raises what it did without. Anything before that is another mistake.
            if told is None or str(told) != str(InputErrors(scan.problems)):
                raise
        workflow.finalize()
    problems: list[InputError | InputErrors] = scan.problems
    return problems


@contextlib.contextmanager
def _in_silence() -> Iterator[None]:
    """Without MONAI's warnings, and without what it, Ignite and the search for ears log: whoever calls tells that."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="monai")
            yield
    finally:
        logging.disable(before)
