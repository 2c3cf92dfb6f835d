"""What a hospital does in a round: nnU-Net's steps on its own scans, by the bundle's ``train.yaml``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from tanq_monai.adaptation.settings import QUICK, SIZES
from tanq_monai.choices.config import did_you_mean
from tanq_monai.choices.files import check_choices
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.federated.exchange import Request, Update, digest_of, put_weights, weights_of
from tanq_monai.federated.rounds import write_model
from tanq_monai.files import check_output_dir, write_json
from tanq_monai.segmentation.plan.plans import (
    check_plan,
    network_from_plans,
    read_json,
    read_structures,
    trained_configuration,
)
from tanq_monai.segmentation.training.checkpoints import unwrapped
from tanq_monai.segmentation.training.engine import NnUNetEngine
from tanq_monai.steps import BUNDLES, SEGMENTER
from tanq_monai.structures import Structures

REQUIRED = ("dataset_dir", "output_dir")
OWN = (*REQUIRED, "label_dir", "suffixes", "structures", "device", "amp", "num_workers", "num_processes")
"""What a site decides by itself, of the choices of ``train.yaml``."""


class Site:
    """A hospital's scans, and the folder of its part in a training.

    ``output_dir`` keeps the optimizer's state, which never leaves it; a site that was stopped repeats the round.

    Args:
        choices: of :data:`OWN`, by name.
        where: they are from.

    Raises:
        InputErrors: for choices that are no site's, or have values that are not allowed.
        InputError: when one is missing.
    """

    def __init__(self, choices: Mapping[str, Any], where: str | Path) -> None:
        if unknown := sorted(choices.keys() - {*OWN}):
            mistakes = [InputError(where, f"{one} is no choice of a site", did_you_mean(one, OWN)) for one in unknown]
            raise InputErrors(mistakes)
        for name in REQUIRED:
            if name not in choices:
                raise InputError(where, f"has no {name}", f"give its {name}")
        self.config = BUNDLES / SEGMENTER / "configs" / "train.yaml"
        check_choices([self.config], choices)
        self.choices, self.where = dict(choices), where
        self.folder = Path(choices["output_dir"])

    def train(self, request: Request) -> Update:
        """The weights after a round on the site's own scans.

        Raises:
            InputErrors: for scans and labels that cannot be used.
            InputError: when there is none, the site has other structures than the model, or its folder is of another
                training.
        """
        check_output_dir(self.folder)
        self._note(request)
        model = self._initial_model(request)
        structures = self._structures_of(model)
        common = dict(SIZES[QUICK].segmenter) | vars(request.training)
        workflow = ConfigWorkflow(
            config_file=str(self.config),
            meta_file=str(self.config.with_name("metadata.json")),
            logging_file=False,  # what runs the site has logging of its own
            workflow_type="train",
            **{name: value for name, value in common.items() if name != "num_rounds"}
            | {"bundle_root": str(self.config.parents[1]), "configuration": trained_configuration(model)}
            | {"initial_model": str(model), "initial_share": 0.0, "max_epochs": request.training.num_rounds}
            | self.choices
            | {"structures": structures},
        )
        workflow.initialize()
        trainer: NnUNetEngine = workflow.trainer
        trainer.state.max_epochs = request.number + 1  # the schedule is that of all rounds
        trainer.add_event_handler(Events.STARTED, self._begin, request)  # after the engine has read its checkpoint
        workflow.run()
        return Update(weights_of(unwrapped(trainer.network)), len(workflow.train_dataset))

    def _initial_model(self, request: Request) -> Path:
        """A folder of the first round's weights with the server's plan: all sites plan and normalize alike."""
        folder = self.folder / "initial_model"
        if request.number == 0:
            check_plan(dict(request.plan), "plan of the server")
            folder.mkdir(exist_ok=True)
            write_json(request.plan, folder / "plans.json")
            write_json(request.labels, folder / "dataset.json")
            network = network_from_plans(folder / "plans.json", folder / "dataset.json")
            put_weights(request.weights, network, "weights of the server")
            write_model(folder, network, request.plan, request.labels)
        return folder

    def _structures_of(self, model: Path) -> dict[str, int]:
        """Names and label values of the model; a site that says what its own labels mean has to mean the same."""
        expected = dict(read_structures(model / "dataset.json"))
        given = dict(Structures(self.choices.get("structures", expected)))
        if given != expected:
            problem = f"has the structures {given}, the model of all sites {expected}"
            raise InputError(self.where, problem, "number the labels as the model does")
        return expected

    def _note(self, request: Request) -> None:
        """Keep with which weights every round began, and raise where a round does not follow those that were done."""
        file, digest = self.folder / "rounds.json", digest_of(request.weights)
        begun = read_json(file)["begun_with"] if file.exists() else []
        if begun[request.number :] not in ([], [digest]) or len(begun) < request.number:
            problem = (
                f"is of another training: it has begun {len(begun)} rounds, and round {request.number + 1} is asked"
            )
            raise InputError(
                self.folder, problem, "give the folder of the earlier rounds; for a new training a new one"
            )
        write_json({"begun_with": [*begun[: request.number], digest]}, file)

    def _begin(self, trainer: NnUNetEngine, request: Request) -> None:
        """The server's weights, with the optimizer's state that the site's own last round has left."""
        if trainer.state.epoch != request.number:
            problem = f"holds {trainer.state.epoch} rounds of the {request.number} before this one"
            raise InputError(self.folder, problem, "give the folder of the earlier rounds")
        put_weights(request.weights, unwrapped(trainer.network), "weights of the server")
