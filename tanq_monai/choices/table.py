"""Every choice of the bundles and of the command line: what it means and which values it may have.

A word means the same wherever it stands. What else may be null, a config says itself, in ``may_be_null``.
"""

from typing import NamedTuple

from tanq_monai.choices.kinds import (
    Component,
    Device,
    Either,
    Entries,
    Flag,
    Interval,
    Items,
    Kind,
    Labels,
    Number,
    Orientation,
    Place,
    Text,
    Whole,
    Word,
)


class Choice(NamedTuple):
    """A row of the table.

    Attributes:
        kind: of its values.
        meaning: what it is, with its unit.
    """

    kind: Kind
    meaning: str


_AT_MOST = 1024  # threads, processes, pixels in thousands: more is a slip of the finger
_SHARE, _COUNT, _SIZE = Number(0, 1), Whole(0), Whole(1)
_FOLD = Either((Word(("all",)), Whole(0, 4)))

_PLAN: dict[str, Kind] = {
    "patch_size": Items(Whole(1, 4096), 2, 3),
    "spacing": Items(Number(above=0, most=100), 2, 3),
    "batch_size": _SIZE,
    "features_per_stage": Items(Whole(1, 4096), 3),
}

_PROTOCOL: dict[str, Kind] = {
    "sequence": Word(("balanced", "spin_echo", "spin_echo_restore")),
    "tr": Number(above=0, most=20_000),
    "te": Number(above=0, most=2_000),
    "flip_angle": Number(above=0, most=180),
    "tesla": Number(least=0.2, most=14),
    "gadolinium": Flag(),
}

CHOICES: dict[str, Choice] = {
    # --- files and folders ---
    "bundle_root": Choice(Place(), "folder of the bundle"),
    "dataset_dir": Choice(Place(), "folder of scans"),
    "output_dir": Choice(Place(), "folder of what is written"),
    "source_dir": Choice(Place(), "folder of labelled ceT1 scans"),
    "target_dir": Choice(Place(), "folder of hrT2 scans without labels"),
    "label_dir": Choice(Place(), "folder of {case}_Label.nii.gz"),
    "pseudo_label_dir": Choice(Place(), "folder of {case}_Label.nii.gz, made by refine.yaml"),
    "prediction_dir": Choice(Place(), "folder of labels that a segmenter made"),
    "run_dir": Choice(Place(), "output_dir of trainings"),
    "truth_dir": Choice(Place(), "folder of true labels"),
    "against_dir": Choice(Place(), "folder of other predictions"),
    "paired_dir": Choice(Place(), "folder of patients with ceT1, hrT2 and label on one grid"),
    "slices_dir": Choice(Place(), "folder that keeps slices"),
    "epochs_dir": Choice(Place(), "folder that keeps the generator of every epoch"),
    "model_dir": Choice(Place(), "folder of model.pt, plans.json and dataset.json"),
    "initial_model": Choice(Place(), "folder of the model that a training begins with"),
    "ensemble_dir": Choice(Place(), "folder of ensemble.json and its models, or of one model"),
    "first_ensemble": Choice(Place(), "folder of models to begin with"),
    "model_file": Choice(Place(), "file of a translator's weights"),
    "tanq_model_file": Choice(Place(), "file of TANQ's weights"),
    "cyclegan_model_file": Choice(Place(), "file of CycleGAN's weights"),
    "exemplar_model_file": Choice(Place(), "file of weights of the translator by exemplars"),
    "exemplars": Choice(Items(Place(), once=True), "hrT2 scans, files or folders, whose looks translations are given"),
    "start_from": Choice(Place(), "folder of the models that a training goes on from"),
    "trained": Choice(Entries(), "choices of a translator's training"),
    "exemplar_trained": Choice(Entries(), "choices of the training of the translator by exemplars"),
    # --- scans and structures ---
    "suffixes": Choice(Items(Text()), "which images of the folder: ends of their names"),
    "structures": Choice(Labels(), "names and label values; of others than VS and cochlea the translator's norm, too"),
    "styles": Choice(Items(Text(may_be_empty=True), once=True), "parts of file names that tell looks of hrT2 apart"),
    "style": Choice(Text(), "the look of hrT2 that every scan is given"),
    "level_ranges": Choice(Items(Entries(Interval())), "per style: lowest and highest magnitude of structures by name"),
    "label_required": Choice(Flag(), "whether a scan without label is refused"),
    "pixels": Choice(Whole(16, 4096), "pixels of a slice, both ways"),
    "pixel_mm": Choice(Number(above=0, most=10), "mm per pixel"),
    "slab_mm": Choice(Number(above=0, most=1000), "mm from the lowest slice to the highest"),
    "crop": Choice(Whole(32, 4096), "pixels of the random crop, both ways"),
    # --- the machine ---
    "device": Choice(Device(), "what computes"),
    "backend": Choice(Word(("nccl", "gloo")), "how processes exchange gradients"),
    "engine": Choice(Word(("auto", "torch", "onnxruntime", "openvino")), "what runs the network on a CPU"),
    "threads": Choice(Whole(1, _AT_MOST), "threads of the engine"),
    "amp": Choice(Either((Word(("auto",)), Flag())), "short floats: auto, or whether"),
    "num_workers": Choice(Whole(0, _AT_MOST), "processes that load; 0 = the training process itself"),
    "num_processes": Choice(Whole(0, _AT_MOST), "processes beside this one; 0 = none"),
    "seed": Choice(Whole(0, 2**32 - 1), "of everything random"),
    # --- networks ---
    "width": Choice(Whole(1, 4096), "channels of the first layer"),
    "blocks": Choice(Whole(2, 256), "residual blocks"),
    "cyclegan_blocks": Choice(Whole(1, 256), "residual blocks of CycleGAN"),
    "configuration": Choice(Text(), "of nnU-Net's plan: 2d or 3d_fullres"),
    "configurations": Choice(Either((Entries(least=1), Items(Text(), once=True))), "of nnU-Net's plan: 2d, 3d_fullres"),
    "plans_override": Choice(Entries(named=_PLAN), "values of the plan in place of nnU-Net's"),
    "trainer": Choice(Text(), "one of nnU-Net's trainers"),
    # --- inference ---
    "overlap": Choice(Number(least=0, below=1), "the share by which neighbouring windows overlap"),
    "signal_protocols": Choice(
        Entries(Entries(named=_PROTOCOL, least=3), least=1), "hrT2 protocols by name, ms and degrees"
    ),
    "mirror": Choice(Word(("left_right", "all", "never")), "which mirrored windows are averaged"),
    "test_time": Choice(Word(("vptta",)), "how every scan adapts itself, or the network, before it is labelled"),
    "ears_first": Choice(Flag(), "whether only two cochleae and a VS near them are kept"),
    "windows_per_batch": Choice(_SIZE, "windows at once"),
    "uncertainty": Choice(Flag(), "whether confidence and agreement are written, too"),
    "batch_size": Choice(_SIZE, "slices or patches at once"),
    "label_free": Choice(Flag(), "whether TANQ goes by the structures that it sees"),
    "label_free_report": Choice(Flag(), "whether both ways are compared"),
    "used_views": Choice(Items(Text(), once=True), "which of the views"),
    "views": Choice(Entries(Component()), "translators by name"),
    # --- training ---
    "fine_tune": Choice(Flag(), "whether a model is trained further and replaced"),
    "fold": Choice(_FOLD, "of nnU-Net's split: all, or 0 to 4"),
    "folds": Choice(Items(_FOLD, once=True), "of nnU-Net's split: [all], or some of 0 to 4"),
    "max_epochs": Choice(_SIZE, "epochs"),
    "iterations_per_epoch": Choice(_SIZE, "steps of an epoch"),
    "learning_rate": Choice(Number(least=0, most=10), "at the start"),
    "initial_share": Choice(_SHARE, "of initial_model's weights in the final ones"),
    "foreground_fraction": Choice(_SHARE, "share of a batch whose patches hold a structure"),
    "appearance": Choice(_SHARE, "share of the patches that are seen through random filters"),
    "feature_statistics": Choice(_SHARE, "share of the patches in which channels get drawn means and deviations"),
    "adversary": Choice(Number(least=0), "weight of telling translations and real scans apart by features"),
    "checkpoint_minutes": Choice(Number(least=0), "minutes between checkpoints"),
    "validate_every": Choice(_COUNT, "epochs between validations; 0 = never"),
    "validation_slices": Choice(_SIZE, "slices of each domain"),
    "pool_size": Choice(_COUNT, "earlier translations that a discriminator is shown"),
    "seg_decoders": Choice(Flag(), "whether networks that see the structures are trained along with CycleGAN"),
    "weights": Choice(Component(), "of the terms of the loss"),
    "tracking_uri": Choice(Text(), "where MLflow keeps the runs"),
    "experiment_name": Choice(Text(), "of MLflow"),
    "run_name": Choice(Text(), "of MLflow"),
    # --- self-training ---
    "rounds": Choice(_COUNT, "rounds after round 0"),
    "stop_agreement": Choice(Number(least=0), "mean Dice between two rounds from which on to stop"),
    "training": Choice(Entries(), "choices of train.yaml"),
    "inference": Choice(Entries(), "choices of ensemble.yaml"),
    "refinement": Choice(Entries(), "choices of refine.yaml"),
    # --- refinement, evaluation ---
    "refine": Choice(Flag(), "whether uncertain voxels are ignored and implausible cases wait"),
    "min_agreement": Choice(_SHARE, "share of the members"),
    "min_confidence": Choice(_SHARE, "mean probability"),
    "max_ignored_share": Choice(_SHARE, "share of a structure's voxels"),
    "vs_mm3": Choice(Interval(), "mm3 of a VS"),
    "cochlea_mm3": Choice(Interval(), "mm3 of one cochlea"),
    "vs_to_cochlea_mm": Choice(Interval(), "mm between centroids"),
    "cochleae_apart_mm": Choice(Interval(), "mm between centroids"),
    "fragment_mm3": Choice(Number(least=0), "mm3 below which a component is ignored"),
    "join_mm": Choice(Number(least=0), "mm by which pieces of a cochlea may lie apart"),
    "vs_required": Choice(Flag(), "whether a case without VS waits"),
    "min_cochleae": Choice(Whole(0, 2), "how many cochleae a case must have"),
    "assd": Choice(Word(("directed", "pooled")), "which mean of surface distances"),
}
# Further words of `python -m tanq_monai` and of the runtime without torch, whose help says what they mean.
OPTIONS: dict[str, Choice] = {
    **dict.fromkeys(("model", "image", "label"), Choice(Place(), "a file, see --help")),
    "provider": Choice(Word(("auto", "cpu", "cuda", "tensorrt")), "of ONNX Runtime"),
    **dict.fromkeys(("folder", "scans", "pred", "truth", "cet1", "against"), Choice(Place(), "a folder, see --help")),
    "dates": Choice(Place(), "a CSV file with the columns case and date"),
    **dict.fromkeys(("results", "bundle", "output", "zoo", "startup_kit"), Choice(Place(), "a place")),
    **dict.fromkeys(("acq", "name", "title", "version", "size", "trust"), Choice(Text(), "a word, see --help")),
    **dict.fromkeys(("num_source", "num_target", "num_test", "paired"), Choice(Whole(0, 100_000), "how many")),
    "orientation": Choice(Orientation(), "where the axes of the training scans point"),
    "num_patients": Choice(Whole(1, 100_000), "how many"),
    "workers": Choice(Whole(1, _AT_MOST), "at a time"),
    "num_rounds": Choice(Whole(1, 100_000), "after each of which the weights of all sites are averaged"),
    "sites": Choice(Items(Text(), once=True), "hospitals by name"),
    "cluster": Choice(Word(("local", "slurm", "sge", "pbs")), "where workers are"),
    "protocols": Choice(Word(("sites", "hospitals", "left_out")), "how virtual patients are scanned"),
    **dict.fromkeys(("intra_extrameatal", "json", "quiet"), Choice(Flag(), "whether")),
}
