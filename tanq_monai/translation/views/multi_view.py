"""Every labelled scan in every view."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from tanq_monai import __version__
from tanq_monai.errors import InputError
from tanq_monai.files import renewing
from tanq_monai.networks import ExemplarGenerator, TanqGenerator
from tanq_monai.scans.folder import Case, Listing
from tanq_monai.scans.loading import grid_in
from tanq_monai.translation.exemplars import Exemplars
from tanq_monai.translation.views.label_free import Cost, cost_table, label_free_cost
from tanq_monai.translation.views.output import Facts, RawDatasetWriter, VolumeFiles, source_of
from tanq_monai.translation.views.view import Pass, View, VolumeTranslator
from tanq_monai.weights import load_weights

COST = "label_free_cost"


class MultiView:
    """Translates labelled scans with several translators into one raw data set, the labels carried over.

    The files of a scan are called ``{case}_{view}``, or ``{case}_{view}-{style}`` where a view has several styles.

    Args:
        views: by name.
        translator: the way of a scan through a network.
        output: the data set.
        choices: what else the translations follow from, for the provenance.
        used: names of the views to make; None for all.
        label_free_report: translate with and without label where a network can do both, and write
            ``label_free.csv``, what the label is worth.

    Raises:
        InputError: for an unknown view or style, a model file that does not fit, ``label_free`` without SegDecoder,
            exemplars that are missing, cannot be used, or are for a view that is not made.
    """

    def __init__(
        self,
        views: Mapping[str, View],
        translator: VolumeTranslator,
        output: RawDatasetWriter,
        choices: Mapping[str, Any],
        used: Sequence[str] | None = None,
        label_free_report: bool = False,
    ) -> None:
        self.translator, self.output, self.label_free_report = translator, output, label_free_report
        self.passes: list[Pass] = []
        used = list(views if used is None else used)
        for name, view in views.items():
            if name not in used and view.exemplars is not None and view.exemplars.places:
                raise InputError("exemplars", f"are of no use without the view {name}", f"add {name} to used_views")
        for name in used:
            if name not in views:
                raise InputError("used_views", f"{name!r} is unknown", f"choose of {list(views)}")
            self.passes += _passes(name, views[name], translator.device, choices)

    def run(self, scan: Listing) -> None:
        """Make what is missing of all cases; those that cannot be used join the scan's problems."""
        done: list[str] = []
        for case in tqdm(scan.cases, desc="translate", unit="scan"):
            try:
                done += self._make(case)
            except Exception as error:  # which MONAI's transforms wrap
                scan.note(error)
        if done:
            self.output.finish(done)
        if self.label_free_report:
            self._write_report(done)

    def _make(self, case: Case) -> list[str]:
        """The names of all views of a case, which then lie in the data set."""
        sources = {key: source_of(case[key]) for key in ("image", "label") if Path(case[key]).exists()}
        wanted = {f"{case['case']}_{p.name}": (p, self._facts(case, p, sources)) for p in self.passes}
        missing = {name: todo for name, todo in wanted.items() if not self._is_there(name, *todo)}
        if missing:
            item, stack = self.translator.load(case)
        for name, (pass_, facts) in missing.items():
            translated, cost = self._translate(stack, pass_)
            labels = np.asarray(item["label"][0], dtype=np.uint8)
            files = VolumeFiles(self.translator.to_volume(item, translated), labels, grid_in(item["image"].meta))
            self.output.write(name, files, facts, None if cost is None else {COST: cost})
        return list(wanted)

    def _translate(self, stack: Tensor, pass_: Pass) -> tuple[Tensor, Cost | None]:
        """The translation of a stack, and what the label is worth if that is asked for; each (1, 1, Y, X, Z)."""
        run, network = self.translator.run, cast(TanqGenerator, pass_.network)  # or one that is called like it
        style = torch.tensor([pass_.style], device=stack.device)
        if not (pass_.label_free or self._is_measured(pass_)):
            return run(network, stack, style=style), None
        prediction = run(network.predict_structures, stack).clamp(min=0)  # blank slices have no structures
        label_free = run(network, torch.cat([stack[:, :1], prediction], dim=1), style=style)
        if not self._is_measured(pass_):
            return label_free, None
        with_label = run(network, stack, style=style)
        regions = self.output.structures.regions().numbers
        cost = label_free_cost(with_label[0, 0], label_free[0, 0], stack[0, 1], prediction[0, 0], regions)
        return label_free if pass_.label_free else with_label, cost

    def _facts(self, case: Case, pass_: Pass, sources: Facts) -> Facts:
        package = f"tanq-monai {__version__}"
        return {"case": case["case"], "view": pass_.name, **pass_.facts, "sources": sources, "package": package}

    def _is_there(self, name: str, pass_: Pass, facts: Facts) -> bool:
        return self.output.has(name, facts, measured=[COST] if self._is_measured(pass_) else [])

    def _is_measured(self, pass_: Pass) -> bool:
        return self.label_free_report and _has_seg_decoder(pass_.network)

    def _write_report(self, names: list[str]) -> None:
        records = [self.output.records[name] for name in names]
        table = cost_table((record["view"], record[COST]) for record in records if COST in record)
        with renewing(self.output.folder / "label_free.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")


def _passes(name: str, view: View, device: torch.device, choices: Mapping[str, Any]) -> Iterator[Pass]:
    exemplars = _exemplars(name, view)
    styles = view.styles if exemplars is None else list(exemplars.scans)
    if view.style is not None and view.style not in styles:
        raise InputError(f"views#{name}#style", f"{view.style!r} is unknown", f"choose of {list(styles)}, or null")
    if view.label_free and not _has_seg_decoder(view.network_def):
        raise InputError(f"views#{name}#label_free", "its network has no SegDecoder", "choose false")
    network, model = view.network_def, view.model_file
    if model is not None:
        network = load_weights(network, model)
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    if exemplars is not None:
        exemplars.shown_to(cast(ExemplarGenerator, network))
    of_network = {"facts": network.facts} if model is None else {"model": source_of(model)}
    facts = {"network": type(network).__name__, **of_network, "label_free": view.label_free}
    for number, style in enumerate(styles):
        if view.style in (None, style):
            view_name = f"{name}-{style}" if len(styles) > 1 else name
            own = {} if exemplars is None else {"exemplar": exemplars.facts(style)}
            yield Pass(view_name, network, number, view.label_free, {**facts, "style": style, **own, **choices})


def _exemplars(name: str, view: View) -> Exemplars | None:
    """Those of a view, where its network goes by some."""
    if isinstance(view.network_def, ExemplarGenerator):
        return view.exemplars
    if view.exemplars is not None and view.exemplars.places:
        raise InputError(f"views#{name}#exemplars", "its network takes none", "choose null")
    return None


def _has_seg_decoder(network: torch.nn.Module) -> bool:
    return getattr(network, "seg_decoder", None) is not None
