"""A bundle's inference in this process: MONAI's workflow, loaded once, with a word after every scan."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow

from tanq_monai.errors import InputError, InputErrors, mistake_behind
from tanq_monai.scans.folder import Listing

_NO_BAR = [{"_target_": "tanq_monai.scans.loading.EndWithScans"}]  # whoever calls tells of the progress


class Inference:
    """A config of a bundle with its models loaded; what ``python -m monai.bundle run`` with the same choices does.

    Args:
        bundle: its folder.
        config: such as ``ensemble``, with MONAI's ``evaluator`` and a folder's listing as ``scan``.
        choices: by name.

    Raises:
        RuntimeError: MONAI's, with an :class:`InputError` in its chain of causes, for a model or a folder that cannot
            be used.
    """

    def __init__(self, bundle: Path, config: str, choices: Mapping[str, Any]) -> None:
        self._listing, self._began = Listing(), 0.0
        self._evaluator: Engine | None = None
        with _in_silence():
            self._workflow = ConfigWorkflow(
                config_file=str(bundle / "configs" / f"{config}.yaml"),
                workflow_type="inference",
                logging_file=False,
                **{"bundle_root": str(bundle), "handlers": _NO_BAR, "scan": self._listing, **choices},
            )
            self._workflow.initialize()

    def run(self, listing: Listing, on_result: Callable[[Path, float], None]) -> list[InputError | InputErrors]:
        """Label the cases of a listing, scan after scan; any number of times.

        Args:
            listing: of scans, each called as its case and a suffix of the config.
            on_result: is called with the path of every scan, and the seconds that it took, when its results are
                written.

        Returns:
            The problems of the listing, and the mistakes in scans that could not be read.

        Raises:
            RuntimeError: as above.
        """
        problems: list[InputError | InputErrors] = [*listing.problems]
        if not listing.cases:
            return problems
        self._listing.cases[:], self._listing.problems[:] = listing.cases, []
        with _in_silence():
            self._make_evaluator()
            self._on_result, self._began = on_result, time.perf_counter()
            try:
                self._workflow.run()
            except Exception as error:
                self._drop_evaluator()
                told = mistake_behind(error)
                # In the end the config raises what it did without. Anything before that is another mistake.
                if told is None or str(told) != str(InputErrors(self._listing.problems)):
                    raise
            self._workflow.finalize()
        return [*problems, *self._listing.problems]

    def _make_evaluator(self) -> None:
        """Not before there are cases: the config looks at them."""
        if self._evaluator is None:
            self._evaluator = self._workflow.parser.get_parsed_content("evaluator")
            self._evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._after_scan)
            self._evaluator.logger.setLevel(logging.CRITICAL)  # exceptions are raised, and told by whoever calls

    def _drop_evaluator(self) -> None:
        """One that ended with an exception would not begin anew; the networks stay."""
        self._workflow.parser.ref_resolver.remove_resolved_content("evaluator")
        self._evaluator = None

    def _after_scan(self, engine: Engine) -> None:
        before, self._began = self._began, time.perf_counter()
        self._on_result(Path(engine.state.output[0]["image"].meta["filename_or_obj"]), self._began - before)


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
