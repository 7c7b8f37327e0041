"""The configs of a folder as a table: what each model costs, and how well it does by whose account."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddlevideo.config import Resolved
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks import configs, flops, schema
from paddlevideo.tasks.run import blank_clip, num_classes, pipeline_of, tested_spec
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError

# "accuracy  71.06 % top-1, reported by PaddleVideo": the claim comes first; "not reported ..." is none.
ACCURACY = re.compile(
    r"# accuracy +(?P<top1>[\d.]+(?: to [\d.]+)?) % top-1\b.*?"
    r"(?:reported by (?P<who>[^\s,;:()]+(?: \d[\w.]*)?)|measured by (?P<us>us))",
)


@dataclass(frozen=True)
class View:
    """What one view of a test video looks like to the model.

    Attributes:
        shape: of the frames, in the model's axis order.
        frames: T of one view.
        clips, crops: views of a video in time and in space.
        size: (height, width) of the frames, pixels.
    """

    shape: list[int]
    frames: int
    clips: int
    crops: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Row:
    """A config in the table.

    Attributes:
        config: its path.
        model: the backbone (of a distillation, the student's), with its depth where it has one.
        parameters: trained numbers.
        macs: multiply-adds for one view of `frames` frames, see `flops.multiply_adds`.
        frames, clips, crops, size: as in `View`.
        classes: of the head.
        data: the folder of the list that is tested on.
        top1: percent, as its first lines claim it ("71.06", "98.8 to 100"); None where they claim nothing.
        reported_by: who claims that; "us" for what we measured.
    """

    config: str
    model: str
    parameters: int
    macs: int
    frames: int
    clips: int
    crops: int
    size: tuple[int, int]
    classes: int
    data: str
    top1: str | None
    reported_by: str | None


class Catalogue:
    """Makes rows; a pipeline or a network that several configs share is tried once."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._costs: dict[str, flops.Part] = {}

    def row(self, path: Path) -> Row:
        """The row of a config file. Raises UserError when the file has a fault or its parts do not fit."""
        resolved = schema.load(path)
        cfg = resolved.root
        view = self.view(resolved)
        cost = self.cost(resolved, view)
        claim = accuracy(path.read_text(encoding="utf-8"))
        return Row(
            config=path.as_posix(),
            model=model_name(tested_spec(cfg).plain()),
            parameters=cost.parameters,
            macs=cost.macs,
            frames=view.frames,
            clips=view.clips,
            crops=view.crops,
            size=view.size,
            classes=num_classes(cfg),
            data=data_folder(cfg),
            top1=claim[0] if claim else None,
            reported_by=claim[1] if claim else None,
        )

    def view(self, resolved: Resolved[RootSection]) -> View:
        """One view of a test video, found by running PIPELINE.test on a blank one."""
        pipeline = pipeline_of(resolved.root, "test")
        key = json.dumps({**resolved.data["PIPELINE"]["test"], "decode": None})
        if key not in self._views:
            self._views[key] = _view(pipeline)
        return self._views[key]

    def cost(self, resolved: Resolved[RootSection], view: View) -> flops.Part:
        """Parameters and multiply-adds of a config's model for one view; of a distillation, the student's."""
        spec = tested_spec(resolved.root)
        key = json.dumps([configs.network(spec.plain()), view.shape])
        if key not in self._costs:
            try:
                self._costs[key] = flops.parts(spec.build, view.shape)[0]
            except UserError:
                raise
            except ValueError as error:
                where = resolved.root.MODEL.where
                raise UserError(f"{where}: PIPELINE.test and MODEL do not fit: {error}") from None
        return self._costs[key]


def _view(pipeline: Pipeline) -> View:
    clip, sampled = blank_clip(pipeline), blank_clip(replace(pipeline, transform=[]))
    shape, axis = list(clip.shape), clip.layout.index("t")
    shape[axis] //= clip.views
    size = (shape[clip.layout.index("h")], shape[clip.layout.index("w")])
    return View(shape, shape[axis], sampled.views, clip.views // sampled.views, size)


def model_name(network: dict[str, Any]) -> str:
    """The backbone of a MODEL section; with the depth of a ResNet, by which it is known: "ResNetTSM-50"."""
    backbone = network["backbone"]
    depth = backbone.get("depth", backbone.get("layers"))
    return f"{backbone['name']}-{depth}" if backbone["name"].startswith("ResNet") else backbone["name"]


def data_folder(cfg: RootSection) -> str:
    """The folder below data/ that the list of test videos is in, "-" without one."""
    spec = cfg.DATASET.test or cfg.DATASET.valid or cfg.DATASET.train
    folders = Path(spec.arguments.get("file_path", "")).parts[:-1] if spec else ()
    return next((folder for folder in folders if folder != "data"), "-")


def accuracy(text: str) -> tuple[str, str] | None:
    """(top-1 in percent, by whom) as the first lines of a config claim it; None where they claim nothing."""
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line)
    # a claim may go on in lines that are indented below it
    joined = re.sub(r"\n# {8,}", " ", "\n".join(head))
    found = ACCURACY.search(joined)
    return (found["top1"], (found["who"] or found["us"]).rstrip(".")) if found else None
