"""Export: the model as a Paddle Inference program, checked against the model, with a manifest beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from paddlevideo import __version__, config, yaml_tree
from paddlevideo.config import Resolved
from paddlevideo.tasks import card, schema
from paddlevideo.tasks import engine as engines
from paddlevideo.tasks.engine import Engine, EngineOptions
from paddlevideo.tasks.evaluate import scorer
from paddlevideo.tasks.exported import read_manifest
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.run import build_tested, check_fit, load_weights, num_classes, tested_spec
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import compat, environment, files, log
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

Format = Literal["auto", "pdmodel", "json"]
SUFFIXES = (".pdmodel", ".json", ".pdiparams", ".pdiparams.info")
LARGE_CLIP = 16 * 3 * 224 * 224  # values; larger clips (250 frames of TSN) are verified in fewer batches
TOLERANCE = 1e-4
CHILD = (
    "from paddlevideo.utils import environment; environment.import_paddle(); "
    "from paddlevideo.tasks import export; export.export_requested()"
)


class Program(nn.Layer):
    """What is exported: clips in, view-averaged scores out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, imgs: paddle.Tensor) -> paddle.Tensor:
        """imgs: the model's input, [N, ...]. Returns scores [N, K]."""
        return self.model.scores(imgs)


def export(
    resolved: Resolved[RootSection], weights: Path, folder: Path, name: str | None = None, form: Format = "auto"
) -> Path:
    """Exports a checkpoint, of a distillation its student. Returns the program file.

    Args:
        weights: the .pdparams file.
        folder: where `<name>.pdmodel` (or .json), `<name>.pdiparams` and `<name>.manifest.json` go.
        name: defaults to the config's model_name.
        form: pdmodel writes PaddleVideo's file names; json is Paddle 3's own form; auto takes the first that works.
    Raises:
        UserError: the weights do not fit, or the program's scores differ from the model's by more than 1e-4 relative;
            then nothing is published.
    """
    cfg = resolved.root
    name = name or cfg.model_name
    labels = class_names(cfg.DATASET, num_classes(cfg))
    model = build_tested(cfg)
    with card.compared(weights, resolved.data):
        load_weights(model, weights, place=tested_spec(cfg).path)
    model.eval()
    shape = check_fit(cfg, model, "test")
    with _staging(folder) as staging:
        program = _write_program(model, shape, staging / name, form)
        if program is None:
            return _export_as_json(resolved, weights, folder, name)
        batch_sizes = (1, 2, 3) if int(np.prod(shape)) <= LARGE_CLIP else (2,)
        settings, difference = _verify(model, program, shape, batch_sizes)
        manifest = {
            "model_name": cfg.model_name,
            "model_file": program.name,
            "params_file": f"{name}.pdiparams",
            "score_kind": model.score_kind,
            "multi_label": model.multi_label,
            "labels": labels,
            "input": {"shape": [None, *shape], "dtype": "float32"},
            "engine": {"onednn": settings.onednn},
            "checked": {"max_relative_difference": difference, "batch_sizes": list(batch_sizes)},
            "versions": {"paddlevideo": __version__, "paddle": paddle.__version__, "numpy": np.__version__},
            "config": resolved.data,
        }
        files.write_text(staging / f"{name}.manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        _publish(staging, folder, name)
    return folder / program.name


def report(program: Path) -> None:
    """Logs what was exported and how well it agrees with the model."""
    checked = read_manifest(program.with_suffix(".manifest.json"))["checked"]
    difference, sizes = checked["max_relative_difference"], ", ".join(map(str, checked["batch_sizes"]))
    logger.info(f"the program gives the model's scores to {difference:.1e} (relative, batches of {sizes})")
    logger.info(f"exported {program} and its .pdiparams; {program.stem}.manifest.json describes them")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A scratch folder on the same disk, gone afterwards whatever happens."""
    staging = folder / f".export.{os.getpid()}.tmp"
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_program(model: Any, shape: list[int], prefix: Path, form: Format) -> Path | None:
    """Traces and saves the model. Returns the program file, or None when only the newer form can hold it."""
    assert form != "pdmodel" or compat.writes_pdmodel(), "the process must be started with the older form on"
    if form == "json" and compat.pdmodel_is_native():
        raise UserError(f"--format json: Paddle {paddle.__version__} only writes .pdmodel")
    spec = InputSpec([None, *shape], "float32", name="imgs")
    try:
        traced = paddle.jit.to_static(Program(model), input_spec=[spec], full_graph=True)
        paddle.jit.save(traced, str(prefix))
    except (ValueError, TypeError) as error:
        if not compat.writes_pdmodel() or compat.pdmodel_is_native():
            raise
        if form == "pdmodel":
            reason = str(error).strip().splitlines()[-1].strip()  # after the traced code
            raise UserError(
                f"--format pdmodel: this Paddle cannot write this model so ({reason}); use --format json"
            ) from None
        return None
    return next(file for suffix in (".pdmodel", ".json") if (file := Path(f"{prefix}{suffix}")).exists())


def _export_as_json(resolved: Resolved[RootSection], weights: Path, folder: Path, name: str) -> Path:
    """Exports in the newer form. Paddle chooses the form when it is imported, so that takes a process of its own."""
    logger.info("Paddle cannot write this model as .pdmodel; writing its newer .json form")
    request = {"config": resolved.data, "weights": str(weights), "folder": str(folder), "name": name}
    env = {key: value for key, value in environment.python_environment().items() if key != environment.LEGACY_PROGRAM}
    command = [sys.executable, "-c", CHILD]
    child = subprocess.run(command, input=json.dumps(request), text=True, env=env, check=False)
    if child.returncode:
        raise UserError(f"{folder}: the export in .json form failed (exit code {child.returncode}); see above")
    return folder / f"{name}.json"


def _verify(model: Any, program: Path, shape: list[int], batch_sizes: tuple[int, ...]) -> tuple[EngineOptions, float]:
    """Runs the program against the model. Returns the fastest safe setting and the largest relative difference.

    The model takes clips one by one and the program in batches, so that a batch axis mistaken in tracing shows too.
    """
    logger.info(f"checking the program against the model, on clips of shape {shape}")
    params = program.with_suffix(".pdiparams")
    options = EngineOptions(cpu_threads=environment.threads())
    options = engines.safe_options(program, params, options, [1, *shape])
    run, score, rng = Engine(program, params, options), scorer(model), np.random.default_rng(0)
    imgs = rng.normal(size=[max(batch_sizes), *shape]).astype("float32")
    expected = np.concatenate([score({"imgs": imgs[i : i + 1]}) for i in range(len(imgs))])
    worst = max(float(np.abs(run(imgs[:size]) - expected[:size]).max()) for size in batch_sizes)
    worst /= max(float(np.abs(expected).max()), 1e-12)
    if not worst <= TOLERANCE:
        raise UserError(
            f"{program.name}: the exported program's scores differ from the model's by {worst:.1e} (relative, more "
            f"than {TOLERANCE:.0e}); nothing was published"
        )
    return options, worst


def _publish(staging: Path, folder: Path, name: str) -> None:
    """Moves the files in place, the manifest last, and removes what an earlier export of the other form left."""
    (folder / f"{name}.manifest.json").unlink(missing_ok=True)
    for suffix in SUFFIXES:
        if (staging / f"{name}{suffix}").exists():
            (staging / f"{name}{suffix}").replace(folder / f"{name}{suffix}")
        else:
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    (staging / f"{name}.manifest.json").replace(folder / f"{name}.manifest.json")


def export_requested() -> None:
    """What the child process of `_export_as_json` does: exports what the standard input asks for."""
    request = json.load(sys.stdin)
    log.setup()
    tree = yaml_tree.parse(json.dumps(request["config"]), "the config")
    resolved = config.resolve(tree, RootSection, schema.IGNORED)
    export(resolved, Path(request["weights"]), Path(request["folder"]), request["name"], "json")
