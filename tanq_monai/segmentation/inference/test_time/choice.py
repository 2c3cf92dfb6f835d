"""The choice ``test_time``: its methods by name, what they need, and the inferer of a model with one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tanq_monai.errors import InputError
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.inference.test_time.inferer import AdaptingInferer, Method
from tanq_monai.segmentation.inference.test_time.vptta import Vptta
from tanq_monai.segmentation.plan.plans import read_structures

METHODS: dict[str, Callable[[str | Path], Method]] = {"vptta": Vptta.of_model}
"""By name, what makes a method of the folder of a model. Another one is a module beside ``vptta``, and a row here."""


def inferer_for(
    test_time: str | None,
    model_dir: str | Path,
    roi_size: Sequence[int],
    sw_batch_size: int = 1,
    overlap: float = 0.5,
    mirror_axes: Sequence[int] = (),
) -> PlanInferer:
    """The inferer of a model: :class:`PlanInferer` itself, or with adaptation.

    Args:
        test_time: None, or one of :data:`METHODS`.
        model_dir: folder of the model.
        roi_size: as of :class:`PlanInferer`.
        sw_batch_size: as of :class:`PlanInferer`.
        overlap: as of :class:`PlanInferer`.
        mirror_axes: as of :class:`PlanInferer`.

    Raises:
        InputError: when the model is one of volumes, or lacks what the method needs.
    """
    if test_time is None:
        return PlanInferer(roi_size, sw_batch_size, overlap, mirror_axes)
    if len(roi_size) != 2:
        raise InputError(
            f"test_time {test_time}", "adapts networks of slices, and this one is of volumes", "let it be null"
        )
    structures = read_structures(Path(model_dir) / "dataset.json")
    method = METHODS[test_time](model_dir)
    return AdaptingInferer(method, structures, roi_size, sw_batch_size, overlap, mirror_axes)


def engine_for(test_time: str | None, engine: str) -> str:
    """The engine: as chosen without adaptation; with it torch, for it alone has gradients.

    Raises:
        InputError: for another engine with adaptation.
    """
    if test_time is None or engine == "torch":
        return engine
    if engine != "auto":
        raise InputError(
            f"test_time {test_time}", f"needs gradients, which {engine} has not", "choose engine torch or auto"
        )
    return "torch"
