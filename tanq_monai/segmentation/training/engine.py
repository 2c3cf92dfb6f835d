"""nnU-Net's training as an Ignite engine of MONAI, with checkpoints that nnU-Net understands."""

import io
import shutil
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from monai.utils.enums import CommonKeys as Keys
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from tanq_monai.divergence import check_trained, finite_losses
from tanq_monai.errors import InputError
from tanq_monai.files import replacing, told_when_full, write_json
from tanq_monai.ranks import average_gradients, check_same_checkpoint, is_first_rank, wait_for_ranks
from tanq_monai.segmentation.plan.plans import MIRROR_AXES, TRAINED
from tanq_monai.segmentation.training.adversary import FeatureAdversary
from tanq_monai.segmentation.training.batches import EpochLoader
from tanq_monai.segmentation.training.checkpoints import EPOCH, plain_weights, read_checkpoint, unwrapped
from tanq_monai.segmentation.training.cpu import suit_cpu
from tanq_monai.segmentation.training.nnunet import prepare_batch, validate
from tanq_monai.weights import load_weights, saving

MAX_GRADIENT_NORM = 12.0  # nnU-Net's
LATEST, FINAL = "checkpoint_latest.pth", "checkpoint_final.pth"
ADVERSARY = "feature_adversary"  # in checkpoints; nnU-Net does not look at it


class NnUNetEngine(SupervisedTrainer):  # type: ignore[misc]
    """MONAI's supervised trainer doing nnU-Net's steps: deep supervision, gradient clipping, poly schedule.

    After every epoch ``fold_{f}/checkpoint_latest.pth`` is replaced, which at the end becomes ``checkpoint_final.pth``,
    in nnU-Net's format and layout; a fold is validated as nnU-Net does, and the model folder is filled.
    A run that is started again continues after its latest epoch, and ends with the bits of one that was not stopped.
    With several ranks the gradients are averaged, and the first one writes.

    Args:
        nnunet: of :func:`tanq_monai.segmentation.training.nnunet.set_up_nnunet`.
        train_data_loader: batches.
        max_epochs: how many epochs in all.
        model_dir: gets ``model.pt``, ``plans.json``, ``dataset.json``.
        initial_model: folder of the model that the training begins with; only for ``initial_share``.
        initial_share: of that model's weights in the final ones, 0 to 1: few scans then do not undo what it knew of
            others (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). A training that is prolonged
            goes on from that mean.
        num_processes: for the validation; 0 = threads.
        amp: the network computes in a short float type: bfloat16 on a CPU, float16 with nnU-Net's scaled loss on CUDA.
            Norms' statistics, loss and optimizer stay float32.
        adversary: takes part in every step, and its state is kept in the checkpoints.
        **kwargs: as in :class:`monai.engines.SupervisedTrainer`.

    Raises:
        InputError: for an ``initial_share`` without ``initial_model``.
    """

    def __init__(
        self,
        nnunet: nnUNetTrainer,
        train_data_loader: EpochLoader,
        max_epochs: int,
        model_dir: str | Path,
        initial_model: str | Path | None = None,
        initial_share: float = 0.0,
        num_processes: int = 0,
        amp: bool = False,
        adversary: FeatureAdversary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            device=nnunet.device,
            max_epochs=max_epochs,
            train_data_loader=train_data_loader,
            network=nnunet.network,
            optimizer=nnunet.optimizer,
            loss_function=nnunet.loss,
            prepare_batch=prepare_batch,
            amp=amp and nnunet.device.type == "cuda",
            decollate=False,
            optim_set_to_none=True,
            **kwargs,
        )
        self.nnunet = nnunet
        if amp and nnunet.device.type == "cpu":  # MONAI's amp is CUDA's
            self.inferer: Inferer = Bfloat16Inferer(self.inferer)
        if initial_share and initial_model is None:
            raise InputError("initial_share", "has no initial_model to be a share of", "give one, or choose 0")
        self.model_dir = Path(model_dir)
        self.initial_file = None if initial_model is None else Path(initial_model) / "model.pt"
        self.initial_share = initial_share
        self.num_processes = num_processes
        self.result_dir = Path(nnunet.output_folder)
        self.adversary = adversary
        if adversary is not None:
            adversary.attach(self)
        self.add_event_handler(Events.STARTED, NnUNetEngine._take_scaler)
        self.add_event_handler(Events.STARTED, NnUNetEngine._resume)  # after handlers that load a first model
        self.add_event_handler(Events.EPOCH_STARTED, NnUNetEngine._start_epoch)
        self.add_event_handler(IterationEvents.LOSS_COMPLETED, NnUNetEngine._check_loss)
        self.add_event_handler(IterationEvents.BACKWARD_COMPLETED, NnUNetEngine._clip_gradients)
        self.add_event_handler(Events.EPOCH_COMPLETED, NnUNetEngine._finish_epoch)

    def run(self) -> None:
        """Train the epochs that are missing, then export.

        Raises:
            InputError: when the run was begun with another seed; when it diverges: the last checkpoint stays.
        """
        if is_first_rank():
            _write_nnunet_folder(self.nnunet)
        done = self._resume()
        is_final = done >= self.state.max_epochs and (self.result_dir / FINAL).exists()
        check_same_checkpoint(self.result_dir, done)
        if done < self.state.max_epochs:
            self._reopen()
            self.state.epoch = done
            self.state.iteration = done * self.state.epoch_length
            super().run()
        if self.initial_share and not is_final:
            self.state.epoch = max(done, self.state.epoch)  # of a training that was killed behind its last epoch
            self._keep_initial_share()
            self._save(FINAL)
        if is_first_rank():
            self._close()
            if self.nnunet.fold != "all" and not (self.result_dir / "validation" / "summary.json").exists():
                with told_when_full(self.result_dir):
                    validate(self.nnunet, self.num_processes)
            export_model(self.nnunet, self.model_dir)

    def _take_scaler(self) -> None:
        """The one that nnU-Net's checkpoints keep, in place of the new one that MONAI makes at the start of a run."""
        if self.nnunet.grad_scaler is not None:
            self.scaler = self.nnunet.grad_scaler

    def _resume(self) -> int:
        """Load the newest checkpoint; how many epochs it has seen."""
        for name in (FINAL, LATEST):
            if (self.result_dir / name).exists():
                checkpoint = read_checkpoint(self.result_dir / name, self.nnunet.device)
                self._check_seed(checkpoint, name)
                if (ADVERSARY in checkpoint) != (self.adversary is not None):
                    remedy = "give the choices it was begun with, or another output folder"
                    raise InputError(self.result_dir / name, "was begun with another choice of adversary", remedy)
                return self._load(checkpoint)
        return 0

    def _check_seed(self, checkpoint: dict[str, Any], name: str) -> None:
        begun_with = checkpoint["init_args"].get("seed", self.nnunet.seed)  # nnU-Net's own checkpoints have none
        if begun_with != self.nnunet.seed:
            remedy = "give the choices it was begun with, or another output folder"
            raise InputError(self.result_dir / name, "was begun with another choice of seed", remedy)

    def _reopen(self) -> None:
        """A finished training that is prolonged is unfinished again, and its validation that of an older model."""
        if is_first_rank() and (self.result_dir / FINAL).exists():
            shutil.rmtree(self.result_dir / "validation", ignore_errors=True)
            (self.result_dir / FINAL).replace(self.result_dir / LATEST)
        wait_for_ranks()  # the others look for it under its new name

    def _close(self) -> None:
        """The checkpoint of the last epoch becomes the final one: by its name, so that no moment is without either."""
        if (self.result_dir / FINAL).exists():
            (self.result_dir / LATEST).unlink(missing_ok=True)
        elif (self.result_dir / LATEST).exists():
            (self.result_dir / LATEST).replace(self.result_dir / FINAL)

    def _load(self, checkpoint: dict[str, Any]) -> int:
        """Not by nnU-Net's own function, which unpickles whatever the file holds."""
        unwrapped(self.network).load_state_dict(plain_weights(checkpoint))
        self.optimizer.load_state_dict(checkpoint["optimizer_state"])
        if self.nnunet.device.type == "cpu":
            suit_cpu(self.network, self.optimizer)  # a checkpoint brings the optimizer's ways with it
        if self.nnunet.grad_scaler is not None and checkpoint["grad_scaler_state"] is not None:
            self.nnunet.grad_scaler.load_state_dict(checkpoint["grad_scaler_state"])
        if self.adversary is not None:
            self.adversary.load_state_dict(checkpoint[ADVERSARY])
        self.nnunet.logger.load_checkpoint(checkpoint["logging"])
        return int(checkpoint[EPOCH])

    def _keep_initial_share(self) -> None:
        """Final weights: (1 - share) of those that were trained, and the share of those that it began with."""
        assert self.initial_file is not None
        network = unwrapped(self.network)
        trained = {name: value.clone() for name, value in network.state_dict().items()}
        initial = load_weights(network, self.initial_file).state_dict()
        kept = {name: torch.lerp(trained[name], value, self.initial_share) for name, value in initial.items()}
        network.load_state_dict(kept)

    def _start_epoch(self) -> None:
        self.nnunet.current_epoch = self.state.epoch - 1
        self.nnunet.lr_scheduler.step(self.nnunet.current_epoch)

    def _check_loss(self) -> None:
        finite_losses({"loss": self.state.output[Keys.LOSS]}, self.state)

    def _clip_gradients(self) -> None:
        average_gradients(self.network.parameters())  # before unscaling, so that all ranks skip the same steps
        if self.amp and self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)

    def _finish_epoch(self) -> None:
        self._save(LATEST)

    def _save(self, name: str) -> None:
        check_trained(self.network.state_dict(), self.result_dir / name)  # the same on all ranks, which end together
        if not is_first_rank():
            return
        self.nnunet.current_epoch = self.state.epoch - 1  # nnU-Net adds the 1 when it saves
        with saving(self.result_dir / name) as stream:
            if self.adversary is None:
                self.nnunet.save_checkpoint(stream)  # hands it on to torch.save
                return
            with io.BytesIO() as whole:
                self.nnunet.save_checkpoint(whole)
                whole.seek(0)
                checkpoint = torch.load(whole, weights_only=False)  # of this very moment
            torch.save(checkpoint | {ADVERSARY: self.adversary.state_dict()}, stream)


class Bfloat16Inferer(Inferer):  # type: ignore[misc]
    """Calls the network in bfloat16 on a CPU; what comes out is float32.

    Args:
        inferer: calls the network.
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(self, inputs: torch.Tensor, network: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        """One output, or one for every scale of deep supervision."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = self.inferer(inputs, network, *args, **kwargs)
        if isinstance(outputs, torch.Tensor):
            return outputs.float()
        return [output.float() for output in outputs]


def export_model(nnunet: nnUNetTrainer, folder: Path) -> None:
    """Write the model folder that ``inference.yaml`` reads: weights, plan and labels."""
    network = unwrapped(nnunet.network)
    with saving(folder / "model.pt") as stream:  # last of the three: its presence means that all are there
        torch.save(plain_state(network), stream)
        ours = {TRAINED: nnunet.configuration_name, MIRROR_AXES: nnunet.inference_allowed_mirroring_axes}
        write_json(nnunet.plans_manager.plans | ours, folder / "plans.json")
        write_json(nnunet.dataset_json, folder / "dataset.json")


def plain_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights in the order of their axes, whatever suits the processor; those of several names stay one tensor."""
    plain: dict[tuple[int, torch.Size], torch.Tensor] = {}
    state: dict[str, torch.Tensor] = network.state_dict()
    return {
        name: plain.setdefault((value.data_ptr(), value.shape), value.cpu().contiguous())
        for name, value in state.items()
    }


def _write_nnunet_folder(nnunet: nnUNetTrainer) -> None:
    """What ``nnUNetv2_predict`` reads beside the checkpoints."""
    base = Path(nnunet.output_folder_base)
    write_json(nnunet.plans_manager.plans, base / "plans.json")
    write_json(nnunet.dataset_json, base / "dataset.json")
    fingerprint = "dataset_fingerprint.json"
    with replacing(base / fingerprint) as temporary:
        shutil.copyfile(Path(nnunet.preprocessed_dataset_folder_base) / fingerprint, temporary)
