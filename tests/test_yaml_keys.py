"""The YAML keys that files in the world may hold: none may vanish or change by accident."""

import json
from collections.abc import Callable
from pathlib import Path

from paddlevideo import registry
from paddlevideo.config import parameters
from paddlevideo.loader.part import Part
from paddlevideo.modeling.framework.distillation import LossSection, ModelSection
from paddlevideo.registry import Registry
from paddlevideo.solver.average_plan import CyclicRate, EMASection, SWASection
from paddlevideo.solver.groups import ParameterGroup
from paddlevideo.tasks import schema
from paddlevideo.tasks.early_stopping import EarlyStopping

PINNED = Path(__file__).with_name("golden") / "yaml_keys.json"
SECTIONS: list[Callable] = [
    schema.RootSection,
    schema.DatasetSection,
    schema.PipelineSection,
    schema.AccumulationSection,
    schema.PreciseBNSection,
    schema.SaveIntervalSection,
    Part,
    ParameterGroup,
    EMASection,
    SWASection,
    CyclicRate,
    EarlyStopping,
    ModelSection,
    LossSection,
]


def keys() -> dict[str, list[str]]:
    """Section or component -> the keys it takes."""
    found = {section.__name__: sorted(parameters(section)) for section in SECTIONS}
    for table in vars(registry).values():
        if isinstance(table, Registry):
            own = {name: target for name in table if (target := table.get(name)).__module__.startswith("paddlevideo.")}
            found |= {f"{table.kind}: {name}": sorted(parameters(target)) for name, target in own.items()}
    return found


def test_yaml_keys_are_pinned() -> None:
    """A key added on purpose is added to tests/golden/yaml_keys.json too, and to CHANGELOG.md."""
    assert keys() == json.loads(PINNED.read_text())
