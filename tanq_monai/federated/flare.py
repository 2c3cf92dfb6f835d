"""Server and site as parts of NVIDIA FLARE: what a job of ``tanq-monai federate`` names, and no job brings along.

Each reads ``local/segmenter.json`` of its own startup kit, which no one else writes: a site :data:`site.OWN`, the
server ``output_dir`` and, where it is not the shipped model, ``model_dir``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from nvflare.app_common.workflows.model_controller import ModelController

from tanq_monai.adaptation.settings import SHIPPED
from tanq_monai.errors import InputError, InputErrors, mistake_behind
from tanq_monai.federated.exchange import Request, Training, Update
from tanq_monai.federated.rounds import run_rounds
from tanq_monai.federated.site import Site
from tanq_monai.segmentation.plan.plans import read_json

OWN_CHOICES = "segmenter.json"
_TASK, _TRAINING, _PLAN, _LABELS, _CASES = "train", "training", "plan", "labels", "num_cases"


class AveragingServer(ModelController):  # type: ignore[misc]
    """Runs all rounds; a site that fails ends the job, and the job started again goes on after the latest round.

    Args:
        training: see :class:`tanq_monai.federated.exchange.Training`.
    """

    def __init__(self, training: dict[str, Any]) -> None:
        super().__init__(persistor_id="", ignore_result_error=False)
        self.training = training

    def run(self) -> None:
        """Called once by FLARE."""
        try:
            file, own = own_choices(self.fl_ctx)
            if unknown := sorted(own.keys() - {"model_dir", "output_dir"}):
                raise InputError(file, f"{unknown[0]} is no choice of a server", "give output_dir, and model_dir")
            if "output_dir" not in own:
                raise InputError(file, "has no output_dir", "give one")
            training = Training(**self.training)
            model = run_rounds(own.get("model_dir", SHIPPED), own["output_dir"], training, self._ask)
            self.info(f"the model of all sites: {model}")
        except (InputError, InputErrors) as mistake:
            if not self.abort_signal.triggered:  # else it is told already
                self.panic(f"error: {mistake}")

    def _ask(self, request: Request) -> dict[str, Update]:
        meta = {_TRAINING: vars(request.training), _PLAN: request.plan, _LABELS: request.labels}
        sites = [client.name for client in self.engine.get_clients()]
        total = request.training.num_rounds
        model = FLModel(params=request.weights, meta=meta, current_round=request.number, total_rounds=total)
        answers = self.send_model_and_wait(task_name=_TASK, data=model, targets=sites)
        updates = {one.meta["client_name"]: Update(one.params, one.meta[_CASES]) for one in answers}
        if silent := sorted({*sites} - updates.keys()):
            raise InputError(", ".join(silent), "has sent no weights", "see its log, and start the job again")
        return updates


class SegmenterSite(Executor):  # type: ignore[misc]
    """Trains one round when it is asked to. What went wrong stands in the site's own log, and the server hears that."""

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Called by FLARE for every task."""
        if task_name != _TASK:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            update = self._train(FLModelUtils.from_shareable(shareable), fl_ctx)
        except Exception as error:
            mistake = mistake_behind(error)
            if mistake is None:
                self.log_exception(fl_ctx, "the round was not trained")
            else:
                self.log_error(fl_ctx, f"error: {mistake}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return FLModelUtils.to_shareable(FLModel(params=update.weights, meta={_CASES: update.num_cases}))

    def _train(self, model: FLModel, fl_ctx: FLContext) -> Update:
        file, own = own_choices(fl_ctx)
        training = Training(**model.meta[_TRAINING])
        request = Request(model.current_round, model.params, training, model.meta[_PLAN], model.meta[_LABELS])
        return Site(own, file).train(request)


def own_choices(fl_ctx: FLContext) -> tuple[Path, Mapping[str, Any]]:
    """What the machine's own people have chosen, and the file in which they have.

    Raises:
        InputError: when there is no such file, or no JSON in it.
    """
    file = Path(fl_ctx.get_engine().get_workspace().get_site_config_dir()) / OWN_CHOICES
    if not file.is_file():
        raise InputError(file, "is missing", "write it as docs/federated.md says")
    return file, read_json(file)
