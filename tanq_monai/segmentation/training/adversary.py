"""An adversary on features: a segmenter whose features do not tell translations from real scans. Ours, after GLUA.

Axes: B batch, C channels, then space.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor, nn

from tanq_monai.errors import InputError
from tanq_monai.ranks import average_gradients, share_first_weights
from tanq_monai.segmentation.training.checkpoints import unwrapped
from tanq_monai.segmentation.training.preparation import Case
from tanq_monai.segmentation.training.training_cases import real_scans

STAGE = 2  # of the encoder, counted from 0: of a quarter of the resolution, where a cochlea still has a few pixels
_WIDTH, _SLOPE = 32, 0.2
_RATE, _BETAS = 1e-4, (0.5, 0.999)


class FeatureAdversary:
    r"""A small discriminator that scores every place of a stage's features: translation -1, real scan 1.

    .. math:: L_D = \overline{(D(f) - d)^2}, \quad L_S = \overline{w D(f)^2}, \quad w = 1 + |\tanh D(f)|

    with d the domain of the sample and the mean over samples and places. The discriminator learns by the first, with an
    optimizer of its own, after every step of the segmenter, whose loss gets the second: features are drawn to where the
    discriminator scores 0, which is no domain. The local mask w counts a place the more, the surer the discriminator
    is of it, and has no gradient.

    Args:
        network: of nnU-Net's, whose weights and names stay as they are.
        real: names of the cases that are real scans, as nnU-Net calls them; all others are translations.
        weight: of the segmenter's term.

    Raises:
        InputError: for a network whose encoder has no stages.

    References:
        Mao et al., "Least squares generative adversarial networks", ICCV 2017, with a = -1, b = 1, c = 0. The idea of a
        local mask is that of Su et al., "Mind the gap: alleviating local imbalance for unsupervised cross-modality
        medical image segmentation" (GLUA), 2022, whose formula and code are not public; w is that by which DAR-UNet, of
        the same group, weighs features. All else is ours.
    """

    def __init__(self, network: nn.Module, real: Collection[str], weight: float) -> None:
        encoder = getattr(network, "encoder", None)
        stages: Any = getattr(encoder, "stages", None)
        if encoder is None or not isinstance(stages, nn.Sequential):
            problem = f"{type(network).__name__} has no encoder with stages"
            raise InputError("adversary", problem, "choose 0, or one of nnU-Net's own U-Nets")
        number = min(STAGE, len(stages) - 1)
        self.real, self.weight = frozenset(real), weight
        self.discriminator = _discriminator(encoder.output_channels[number], encoder.conv_op)
        self.discriminator.to(next(network.parameters()).device)
        share_first_weights(self.discriminator)
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), _RATE, _BETAS)
        self._features: Tensor | None = None
        stages[number].register_forward_hook(self._keep)

    def attach(self, engine: SupervisedTrainer) -> None:
        """Let it take part in every step of a training."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._oppose)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._learn)

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on needs of it."""
        return {"discriminator": self.discriminator.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _keep(self, module: nn.Module, _: object, features: Tensor) -> None:
        if module.training:
            self._features = features

    def _oppose(self, engine: SupervisedTrainer) -> None:
        with torch.autocast(engine.state.device.type, enabled=False):
            term = segmenter_loss(self.discriminator(self._kept()))
        engine.state.output[Keys.LOSS] = engine.state.output[Keys.LOSS] + self.weight * term

    def _learn(self, engine: SupervisedTrainer) -> None:
        """On the features of this step, before the segmenter's weights change."""
        features = self._kept().detach()
        domains = torch.tensor([1.0 if key in self.real else -1.0 for key in engine.state.batch["keys"]])
        self.optimizer.zero_grad()  # of what the segmenter's term has left
        loss = discriminator_loss(self.discriminator(features), domains.to(features.device))
        torch.autograd.backward(loss)
        average_gradients(self.discriminator.parameters())
        self.optimizer.step()
        self._features = None

    def _kept(self) -> Tensor:
        assert self._features is not None  # a step begins with the network
        return self._features.float()


def local_mask(scores: Tensor) -> Tensor:
    """1 + abs(tanh(scores)), without gradient: from 1, where no domain is seen, to 1.76, where one is for certain."""
    return 1 + scores.detach().tanh().abs()


def segmenter_loss(scores: Tensor) -> Tensor:
    """Mean of the squared scores (B, 1, ...) of all places, each weighed by the local mask."""
    return (local_mask(scores) * scores.square()).mean()


def discriminator_loss(scores: Tensor, domains: Tensor) -> Tensor:
    """Mean squared distance of the scores (B, 1, ...) of all places to the sample's domain (B), -1 or 1."""
    return (scores - domains.view(-1, *(1 for _ in scores.shape[1:]))).square().mean()


def set_up_adversary(nnunet: nnUNetTrainer, cases: Sequence[Case], weight: float) -> FeatureAdversary | None:
    """The adversary of a training on these cases, or None where its weight is 0.

    Args:
        nnunet: of :func:`tanq_monai.segmentation.training.nnunet.set_up_nnunet`.
        cases: of which those with ``ignore`` are real scans, with pseudo-labels or without any.
        weight: of its term of the segmenter's loss.

    Raises:
        InputError: when there is no real scan among them.
    """
    if not weight:
        return None
    real = real_scans(cases)
    if not real:
        raise InputError("adversary", "has no real scans to tell from translations", "give target_dir, or choose 0")
    return FeatureAdversary(unwrapped(nnunet.network), real, weight)


def _discriminator(num_features: int, convolution: Any) -> nn.Sequential:
    """Scores (B, 1, ...) of features (B, num_features, ...), place by place."""
    return nn.Sequential(
        convolution(num_features, _WIDTH, 3, padding=1), nn.LeakyReLU(_SLOPE), convolution(_WIDTH, 1, 1)
    )
