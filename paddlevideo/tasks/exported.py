"""An exported model on disk: its program, its parameters and the manifest that says how to use them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
import yaml

from paddlevideo import config, yaml_tree
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks import schema
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.run import build_tested, multi_label, num_classes, pipeline_of
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True)
class Exported:
    """An exported model: its files, and how its clips are prepared and its scores read.

    `onednn` is what the export found for this version of Paddle; None where that has to be tried. `multi_label`:
    probabilities are by sigmoid, each class by itself.
    """

    model_file: Path
    params_file: Path
    pipeline: Pipeline
    labels: list[str] | None
    score_kind: Literal["logits", "probabilities"]
    onednn: bool | None
    multi_label: bool = False

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Softmax over classes (or sigmoid), unless the program has done it: [N, K] -> [N, K]."""
        if self.score_kind == "probabilities":
            return scores
        if self.multi_label:
            return np.exp(-np.logaddexp(0, -scores))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def open_exported(model: Path, params: Path | None, cfg: RootSection | None) -> Exported:
    """Finds an exported model by its folder or its program file.

    What the manifest beside it says can be replaced by a config (PIPELINE.test, DATASET.labels); a program without a
    manifest, as PaddleVideo writes them, needs one.

    Raises:
        UserError: no program, several, or one without manifest and config.
    """
    model_file, manifest = _locate(model)
    params_file = params or model_file.with_suffix(".pdiparams")
    if cfg is None and manifest is None:
        raise UserError(f"{model_file}: there is no manifest beside it; give its config with --config")
    said = manifest or {}
    own_labels = cfg is not None and cfg.DATASET.labels is not None
    return Exported(
        model_file,
        params_file,
        pipeline_of(cfg, "test") if cfg else _pipeline_from(said, model_file),
        class_names(cfg.DATASET, num_classes(cfg)) if cfg and own_labels else said.get("labels"),
        said.get("score_kind") or build_tested(cfg).score_kind,  # type: ignore[arg-type]
        said.get("engine", {}).get("onednn") if said.get("versions", {}).get("paddle") == paddle.__version__ else None,
        said.get("multi_label", multi_label(cfg) if cfg and manifest is None else False),
    )


def _locate(model: Path) -> tuple[Path, dict[str, Any] | None]:
    """The program file and its manifest, if any."""
    if model.is_dir():
        manifests = sorted(model.glob("*.manifest.json"))
        if len(manifests) != 1:
            found = ", ".join(file.name for file in manifests) or "none"
            raise UserError(f"{model}: expected one exported model (*.manifest.json), found {found}; name its file")
        manifest = read_manifest(manifests[0])
        return model / manifest["model_file"], manifest
    if not model.is_file():
        raise UserError(f"{model}: there is no such file; export a model first (tools/export_model.py)")
    beside = model.parent / f"{model.stem}.manifest.json"
    return model, read_manifest(beside) if beside.is_file() else None


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest that an export wrote. Raises UserError when it is something else."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable manifest ({error}); export the model again") from None
    if not isinstance(manifest, dict) or not {"model_file", "config", "labels", "score_kind"} <= set(manifest):
        raise UserError(f"{path}: not a manifest of this program; export the model again")
    return manifest


def _pipeline_from(manifest: dict[str, Any], file: Path) -> Pipeline:
    text = yaml.safe_dump(manifest["config"]["PIPELINE"]["test"])
    return config.resolve(yaml_tree.parse(text, f"{file.name}'s manifest"), Pipeline, schema.IGNORED).root
