"""The names of this library that a configuration may use, such as `pipeline.parts.CineLoadImaged`.

Bundles outlive this library's folders. A configuration, of this checkout or in a bundle that somebody trained, names
every class, function and constant here, so that a module can be moved and its bundles still run, see decision 8.

A part's module is imported when the part is first accessed.

>>> from pipeline import parts
>>> parts.kfold.__module__
'pipeline.train.splits'
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

_BY_MODULE = {
    "pipeline.core.versions": ("require",),
    "pipeline.read.datasets": ("checked_datalist", "load_datalist"),
    "pipeline.read.discover": ("find_cases",),
    "pipeline.read.transforms": ("CineLoadImaged", "LoadLabeld", "MapLabelsd"),
    "pipeline.prepare.transforms": ("CentredSpacingd", "CorrectBiasd", "NormaliseIntensityd", "StandardViewd"),
    "pipeline.infer.transforms": (
        "EstimateConfidenced",
        "KeepLargestComponentd",
        "RemoveImpossibled",
        "TellPosed",
        "ToLabelMapd",
    ),
    "pipeline.measure.certainty.judging": ("read_calibration",),
    "pipeline.measure.measurements": ("PhaseChoice",),
    "pipeline.networks.registry": ("build_network",),
    "pipeline.networks.memory": ("fastest_format",),
    "pipeline.networks.cascade": ("Cascade",),
    "pipeline.networks.layers.crf": ("CRFAsRNN", "DenseCRF"),
    "pipeline.networks.deeplab": ("DeepLabV3", "DeepLabV3Cascade", "DeepLabV3Plus"),
    "pipeline.networks.deeplab_v1_v2": ("DeepLabV1", "DeepLabV2"),
    "pipeline.networks.dilated": ("MSCADC", "DilatedNet"),
    "pipeline.networks.encoder_unets": ("AlbuNet", "TernausNet"),
    "pipeline.networks.enet": ("ENet",),
    "pipeline.networks.ensemble": ("Ensemble",),
    "pipeline.networks.fcn": ("FCN",),
    "pipeline.networks.fullnet": ("FullNet",),
    "pipeline.networks.gcn": ("GCN",),
    "pipeline.networks.linknet": ("LinkNet", "LinkNetFPN"),
    "pipeline.networks.mask_rcnn": ("MaskRCNN",),
    "pipeline.networks.mnet": ("MNet",),
    "pipeline.networks.multiresolution": ("MultiResolution",),
    "pipeline.networks.parsenet": ("ParseNet",),
    "pipeline.networks.patch_cnn": ("PatchCNN",),
    "pipeline.networks.pspnet": ("PSPNet",),
    "pipeline.networks.published": ("DeepLabV2Caffe", "DeepLabV3Torchvision", "FCNTorchvision"),
    "pipeline.networks.refinenet": ("RefineNet",),
    "pipeline.networks.segnet": ("DeconvNet", "SegNet"),
    "pipeline.networks.unet": ("OriginalUNet", "ResidualUNet"),
    "pipeline.networks.volumetric": ("UNet3D", "VNet"),
    "pipeline.networks.wnet": ("WNet",),
    "pipeline.train.augment": ("AugmentBatch", "CropBatch"),
    "pipeline.train.averaging": ("WeightAverage",),
    "pipeline.train.batches": ("PrepareAugmentedBatch",),
    "pipeline.train.checkpoints": ("KeptWeights", "ResumePoint"),
    "pipeline.train.compound_losses": ("AuxiliaryLoss",),
    "pipeline.train.datasets": ("Batches", "SliceDataset", "StackDataset", "VolumeDataset"),
    "pipeline.train.distributed": ("local_device", "start_process_group", "stop_process_group"),
    "pipeline.evaluate.evaluation": ("EvaluationRecord",),
    "pipeline.train.finetune": ("STUDY_RATES", "ProgressiveUnfreezing", "parameter_groups", "start_from"),
    "pipeline.train.handlers": (
        "Attached",
        "EarlyStop",
        "EpochSeed",
        "MetricsRecord",
        "StopOnNan",
        "ValidateInTime",
        "loss_of",
        "seed_everything",
    ),
    "pipeline.infer.cine": ("CineInferer",),
    "pipeline.infer.precision": ("AutocastInferer", "scales_gradients"),
    "pipeline.infer.stacks": ("StackInferer",),
    "pipeline.infer.weights": ("load_weights",),
    "pipeline.train.instances": ("PrepareWithLabels", "SumOfTerms"),
    "pipeline.train.losses": (
        "CrossEntropy",
        "CrossEntropyLogJaccard",
        "DiceCrossEntropy",
        "Jaccard",
        "LovaszSoftmax",
        "VarianceConstrainedCrossEntropy",
    ),
    "pipeline.evaluate.metrics": ("overlap_metrics", "pixel_metrics"),
    "pipeline.train.pseudo": ("add_pseudo_cases",),
    "pipeline.train.progress": ("ProgressLines",),
    "pipeline.train.record": ("RunRecord",),
    "pipeline.train.schedules": ("make_schedule",),
    "pipeline.train.splits": ("choose_cases", "kfold", "recorded_split", "split_patients"),
    "pipeline.train.stacks": ("PrepareStacks",),
    "pipeline.train.time_limit": ("TimeLimit",),
    "pipeline.train.tracking": ("mlflow_curves", "training_run"),
    "pipeline.train.unsupervised": ("CutAndReconstruction", "PrepareWithoutLabels"),
    "pipeline.train.whole_batch": ("WholeBatchLoss", "require_samples", "share_statistics"),
    "pipeline.train.windows": ("CentreOnHeartd",),
    "pipeline.app.answers": ("AnswerPhased",),
    "pipeline.app.folders": ("claimed",),
    "pipeline.app.transforms": ("CaseSaveImaged", "SegmentationSaveImaged"),
}

MODULES: Mapping[str, str] = MappingProxyType({name: module for module, names in _BY_MODULE.items() for name in names})
"""Part -> the module that it lies in today."""

__all__ = sorted(MODULES)


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no part {name!r}", name=name)
    return getattr(import_module(MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *MODULES]
