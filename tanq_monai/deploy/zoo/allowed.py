"""What a config may call, name by name. A module is never allowed as a whole: too much is reachable through any.

The lists hold what the configs of this repository use, which ``tests/deploy/zoo/test_allowed.py`` keeps so, and no call
that turns a string into code: MONAI's readers and writers are looked up by name, so those have rules of their own. What
``tanq_monai`` offers is on the list function by function as well, since it can start processes and write files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """How something may be called.

    Attributes:
        positional: the most arguments without a name; None: any number.
        keywords: the names of the others; None: any.
    """

    positional: int | None = None
    keywords: frozenset[str] | None = None


ANY = Call()
NOTHING = Call(0, frozenset())
ONE = Call(1, frozenset())


def _within(module: str, *names: str) -> dict[str, Call]:
    return dict.fromkeys((f"{module}.{name}" for name in names), ANY)


# What MONAI gives to every expression without an import.
GLOBALS: Mapping[str, str] = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}

MODULES = frozenset(
    {
        "datetime",
        "monai",
        "os",
        "tanq_monai.data.cases",
        "tanq_monai.data.checks",
        "tanq_monai.data.model_choices",
        "tanq_monai.data.pairs",
        "tanq_monai.data.weights",
        "tanq_monai.data.writer",
        "tanq_monai.errors",
        "tanq_monai.ranks",
        "tanq_monai.segmentation.ensemble",
        "tanq_monai.segmentation.feedback",
        "tanq_monai.segmentation.nnunet",
        "tanq_monai.segmentation.plans",
        "tanq_monai.segmentation.training_cases",
        "tanq_monai.trainers.handlers",
        "tanq_monai.views.output",
        "torch",
        "torch.distributed",
    }
)

# Values and functions that an expression may name, called or not.
NAMES: Mapping[str, Call] = {
    "datetime.timedelta": ANY,
    "os.environ": NOTHING,
    **_within("monai.utils", "path_to_sqlite_uri", "set_determinism"),
    **_within("torch", "bfloat16", "channels_last", "device", "float32", "uint8"),
    **_within("torch", "cuda.is_available", "cuda.set_device", "nn.ModuleList", "optim.Adam"),
    "torch.distributed.init_process_group": Call(0, frozenset({"backend", "timeout"})),  # no address of others
    "torch.distributed.destroy_process_group": NOTHING,
    **_within("tanq_monai.data.cases", "find_images", "find_labelled", "name_by_case", "with_styles"),
    **_within("tanq_monai.data.checks", "check_output_dir"),
    **_within("tanq_monai.data.model_choices", "read_choices"),
    **_within("tanq_monai.data.pairs", "find_pairs"),
    **_within("tanq_monai.data.weights", "load_weights", "resumed_from", "warm_started"),
    **_within("tanq_monai.data.writer", "AtomicNibabelWriter", "ShareWriter"),
    **_within("tanq_monai.errors", "print_mistakes_in_one_line"),
    **_within("tanq_monai.ranks", "is_first_rank"),
    **_within("tanq_monai.segmentation.ensemble", "load_members", "read_ensemble"),
    **_within("tanq_monai.segmentation.feedback", "feedback_from_folder"),
    **_within("tanq_monai.segmentation.plans", "check_model_folder", "mirror_axes_from_plans"),
    **_within("tanq_monai.segmentation.plans", "patch_size_from_plans", "space_from_plans", "trained_configuration"),
    **_within("tanq_monai.segmentation.training_cases", "are_given", "fine_tuning_dir", "named_cases"),
    **_within("tanq_monai.trainers.handlers", "losses_of"),
    **_within("tanq_monai.views.output", "source_of"),
}

BUILTINS: Mapping[str, Call] = {
    **dict.fromkeys(("int", "len", "list", "repr", "str", "tuple", "vars"), ONE),
    "print": Call(None, frozenset()),  # not into a file
}

# Of objects whose kind is not known here: results of calls, and other parts of the config.
METHODS: Mapping[str, Call] = {
    **dict.fromkeys(
        ("item", "parameters", "raise_mistakes", "raise_problems", "require_structures", "values"), NOTHING
    ),
    "run": ONE,
    "save": ONE,
    "to": Call(1, frozenset({"memory_format"})),
    "to_string": Call(0, frozenset({"index"})),  # not into a file
}
ATTRIBUTES = frozenset(
    {
        *("cases", "discriminator", "discriminators", "feature_channels", "generator", "generators"),
        *("inverse_generator", "network", "postprocessing", "projector", "source_discriminator", "type"),
    }
)

TARGETS = frozenset(
    {
        *("Compose", "DataLoader", "Dataset", "EnsureChannelFirstd", "LoadImaged", "SaveImaged", "SimpleInferer"),
        *("StatsHandler", "SupervisedEvaluator", "TensorBoardStatsHandler", "ignite.metrics.Average"),
        *("monai.data.DataLoader", "monai.data.Dataset", "monai.engines.SupervisedEvaluator"),
        *("monai.engines.utils.PrepareBatchExtraInput", "monai.handlers.CheckpointSaver"),
        *("monai.handlers.MLFlowHandler", "monai.handlers.TensorBoardStatsHandler", "monai.inferers.SimpleInferer"),
        *("monai.transforms.Compose", "monai.transforms.EnsureChannelFirstd", "monai.transforms.Invertd"),
        *("monai.transforms.LoadImaged", "monai.transforms.SaveImaged"),
        *_within("tanq_monai.data", "batches.Batches", "cases.find_labelled", "pairs.PairStore", "pairs.PairedSlices"),
        "tanq_monai.deploy.onnx_network.OnnxNetwork",
        *_within("tanq_monai.data", "pairs.Variation", "slices.SliceSize", "slices.SliceStore"),
        *_within("tanq_monai.data", "slices.UnpairedSlices"),
        *("tanq_monai.inferers.SliceTranslator", "tanq_monai.metrics.evaluate_folder"),
        *_within("tanq_monai.networks", "CycleGanGenerator", "FeatureProjector", "FeatureSampler"),
        *_within("tanq_monai.networks", "PatchDiscriminator", "TanqGenerator"),
        "tanq_monai.progress.ProgressHandler",
        *_within("tanq_monai.segmentation", "case_weights.WeightRule", "case_weights.score_translations"),
        *_within("tanq_monai.segmentation", "consensus.EnsembleInferer", "consensus.SplitUncertaintyd"),
        *_within("tanq_monai.segmentation", "engine.NnUNetEngine", "ensemble.networks_of", "inferer.PlanInferer"),
        *_within("tanq_monai.segmentation", "nnunet.EpochLoader", "nnunet.Settings", "nnunet.set_up_nnunet"),
        *_within("tanq_monai.segmentation", "nnunet.training_data", "training_cases.find_pseudo_labelled"),
        "tanq_monai.segmentation.training_cases.training_cases",
        *_within("tanq_monai.segmentation", "plans.network_from_plans", "plausibility.RefinementRules"),
        *_within("tanq_monai.segmentation", "refined_folder.refine_folder", "selection.select_models"),
        *_within("tanq_monai.segmentation.self_training", "Data", "RoundChoices", "SelfTraining"),
        *_within("tanq_monai.trainers", "checkpoint.Checkpoint", "checkpoint.FinalModel", "handlers.History"),
        *_within("tanq_monai.trainers", "handlers.SeededSteps", "image_pool.ImagePool", "pretraining.PairTrainer"),
        *_within("tanq_monai.trainers", "pretraining.PairWeights", "quality.UnpairedQuality"),
        *_within("tanq_monai.trainers", "quality.paired_quality", "schedule.LearningRate", "validation.Validation"),
        *_within("tanq_monai.trainers.cyclegan", "CycleGanNetworks", "CycleGanOptimizers", "CycleGanPools"),
        *_within("tanq_monai.trainers.cyclegan", "CycleGanTrainer", "CycleGanWeights"),
        *_within("tanq_monai.trainers.tanq", "TanqNetworks", "TanqOptimizers", "TanqTrainer", "TanqWeights"),
        *_within("tanq_monai.transforms", "components.KeepLargestd", "nnunet.FromPlanSpaced", "nnunet.ToPlanSpaced"),
        "tanq_monai.transforms.slices.ToSlicesd",
        *_within("tanq_monai.views", "MultiView", "RawDatasetWriter", "View", "VolumeTranslator"),
    }
)

READERS = frozenset({"PydicomReader", "NibabelReader"})  # MONAI imports any other name
# Classes that nnU-Net's plans may name; nothing that such a module has only imported.
NETWORKS = re.compile(
    r"dynamic_network_architectures\.(architectures|building_blocks)\.\w+\.[A-Z]\w+|torch\.nn\.(modules\.\w+\.)?[A-Z]\w+"
)
OTHER_FOLDERS = frozenset({"../vs_cochlea_seg/models"})  # of feedback.yaml, for which there is no better guess
