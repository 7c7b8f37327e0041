"""Models to predict with: exported ones, with the manifest that says how to use them, and checkpoints."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
import yaml

from paddlevideo import config, yaml_tree
from paddlevideo.loader.batch import normalised
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks import schema
from paddlevideo.tasks.engine import Engine, EngineOptions, safe_options
from paddlevideo.tasks.evaluate import Scorer, scorer
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.run import (
    blank_clip,
    build_tested,
    check_fit,
    load_weights,
    multi_label,
    num_classes,
    pipeline_of,
    tested_spec,
)
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Usable:
    """How clips are prepared for a model and its scores read.

    Attributes:
        multi_label: probabilities are by sigmoid, each class by itself.
    """

    pipeline: Pipeline
    labels: list[str] | None
    score_kind: Literal["logits", "probabilities"]
    multi_label: bool = False

    def scorer(self, batch_size: int) -> Scorer:
        """What scores batches of at most so many videos."""
        raise NotImplementedError

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Softmax over classes (or sigmoid), unless the program has done it: [N, K] -> [N, K]."""
        if self.score_kind == "probabilities":
            return scores
        if self.multi_label:
            return np.exp(-np.logaddexp(0, -scores))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True)
class Exported(Usable):
    """An exported model: its files, and how to run them.

    Attributes:
        onednn: what the export found for this version of Paddle; None where that has to be tried.
    """

    model_file: Path
    params_file: Path
    onednn: bool | None
    options: EngineOptions

    def scorer(self, batch_size: int) -> Scorer:
        clip = blank_clip(self.pipeline)
        options = replace(self.options, max_frames=batch_size * len(clip.pixels()))
        known = options.precision == "fp32" and self.onednn is not None
        if known and options.onednn in (None, self.onednn):
            settled = replace(options, onednn=self.onednn)
        else:
            settled = safe_options(self.model_file, self.params_file, options, [1, *clip.shape])
        engine = Engine(self.model_file, self.params_file, settled)
        return lambda batch: engine(normalised(batch))


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Usable):
    """A model with the weights of a checkpoint."""

    model: Any

    def scorer(self, batch_size: int) -> Scorer:
        return scorer(self.model)


def open_model(model: Path, params: Path | None, cfg: RootSection | None, options: EngineOptions) -> Usable:
    """An exported model, or a checkpoint.

    Args:
        cfg: of a program or a weight file that does not say it itself.
    Raises:
        UserError: see `open_exported`; the weights do not fit; options that are of programs, with a checkpoint.
    """
    if model.suffix not in (".pdparams", ".safetensors"):
        return open_exported(model, params, cfg, options)
    if params or options.precision != "fp32" or options.use_tensorrt:
        raise UserError(f"{model}: --params_file, --precision and --use_tensorrt are of exported programs")
    cfg = cfg or schema.load(model).root
    network = build_tested(cfg)
    load_weights(network, model, place=tested_spec(cfg).path)
    check_fit(cfg, network, "test")
    return Checkpoint(
        pipeline=pipeline_of(cfg, "test"),
        labels=class_names(cfg.DATASET, num_classes(cfg)),
        score_kind=network.score_kind,
        multi_label=multi_label(cfg),
        model=network,
    )


def open_exported(model: Path, params: Path | None, cfg: RootSection | None, options: EngineOptions) -> Exported:
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
    tried = said.get("versions", {}).get("paddle") == paddle.__version__
    return Exported(
        pipeline=pipeline_of(cfg, "test") if cfg else _pipeline_from(said, model_file),
        labels=class_names(cfg.DATASET, num_classes(cfg)) if cfg and own_labels else said.get("labels"),
        score_kind=said.get("score_kind") or build_tested(cfg).score_kind,  # type: ignore[arg-type]
        multi_label=said.get("multi_label", multi_label(cfg) if cfg and manifest is None else False),
        model_file=model_file,
        params_file=params_file,
        onednn=said.get("engine", {}).get("onednn") if tried else None,
        options=options,
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
