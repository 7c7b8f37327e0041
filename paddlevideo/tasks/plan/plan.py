"""A plan for training a config on this machine: what fits, at which rates, how long it takes and what it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from paddlevideo.loader.dataloader import AHEAD
from paddlevideo.tasks import schema
from paddlevideo.tasks.benchmark.child import Died
from paddlevideo.tasks.doctor import storage
from paddlevideo.tasks.plan import advice, costs, loading
from paddlevideo.tasks.plan.batches import Choice, choices, validated
from paddlevideo.tasks.plan.command import training_command
from paddlevideo.tasks.plan.loading import Loading
from paddlevideo.tasks.plan.rates import Rates, base_of, rates
from paddlevideo.tasks.plan.search import Found, Search
from paddlevideo.tasks.plan.trial import Subject, Trial
from paddlevideo.tasks.plan.wishes import Wishes
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError

WORKER = 130 * 10**6  # bytes of a loader process: docs/benchmark.md, "Data"
UNKNOWN = 100  # batches that an epoch is taken to have where the list cannot be read


@dataclass(frozen=True)
class Disk:
    """What the run writes: pairs of files, bytes of each; and bytes that are free in the output folder."""

    checkpoints: int
    checkpoint: int
    free: int


@dataclass(frozen=True)
class Plan:
    """The proposal.

    Attributes:
        config: its path.
        budget: bytes that a process may take.
        recipe: the global batch that was to be kept.
        choice: batch, groups, processes.
        rates: of learning.
        found: the search for the batch size, with its trials.
        facts: the trial of the batch size, or, where that was not tried, of the largest that was.
        memory: bytes that a process of the run takes.
        beside: the part of them that no trial has: see `need_of`.
        seconds: of a batch.
        loading: by split, "valid" only where the run validates.
        times: None where the number of clips is not known.
        disk: see there.
        remarks: what else one should know.
        command: a line for a shell.
    """

    config: str
    budget: float
    recipe: int
    choice: Choice
    rates: Rates
    found: Found
    facts: Trial
    memory: float
    beside: float
    seconds: float
    loading: dict[str, Loading]
    times: costs.Times | None
    disk: Disk
    remarks: list[str]
    command: str


def make(
    config: str, overrides: list[str], wishes: Wishes, budget: float, say: Callable[[int, Trial | Died, float], object]
) -> Plan:
    """Tries batch sizes and makes a plan.

    Args:
        budget: bytes that each process may take.
        say: told of each trial: its batch size, its outcome, and the bytes that a process of the run would take.
    Raises:
        UserError: the config has a fault or lacks something; not even one clip fits.
    """
    cfg = _checked(config, overrides)
    assert cfg.OPTIMIZER is not None
    recipe = recipe_of(cfg, wishes)
    validates = cfg.DATASET.valid is not None and cfg.PIPELINE.valid is not None
    data = {"train": loading.look(cfg, config, "train")}
    if validates:
        data["valid"] = loading.look(cfg, config, "valid")
    clips = data["train"].clips
    share = max(1, min(recipe, clips or recipe) // wishes.processes)
    ways = {choice.batch: choice for choice in choices(recipe, wishes.processes, share)}
    need = need_of(cfg, wishes)
    found = _search(Subject(config, overrides, wishes), cfg, sorted(ways), budget, need, say)
    choice, facts = ways[found.batch], found.measured or found.trials[max(found.trials)]
    seconds = facts.per_clip * choice.batch
    machine = costs.Machine(environment.cores(), wishes.processes, wishes.gpu)
    times = costs.times(cfg, choice, seconds, facts.forward, data, machine)
    scale = rates(cfg.OPTIMIZER, choice, recipe, cfg.epochs, times.batches if times else UNKNOWN)
    flags = [*(["--validate"] if validates else []), *(["--scale-lr"] if scale.asked else []), *wishes.flags]
    free = shutil.disk_usage(storage.existing(cfg.output)).free
    return Plan(
        config=config,
        budget=budget,
        recipe=recipe,
        choice=choice,
        rates=scale,
        found=found,
        facts=facts,
        memory=need(facts) if found.measured else found.line.at(choice.batch),
        beside=need(facts) - facts.peak,
        seconds=seconds,
        loading=data,
        times=times,
        disk=Disk(storage.checkpoints(cfg), facts.weights + facts.optimizer, free),
        remarks=list(advice.remarks(cfg, choice, recipe, found, facts, times, wishes.gpu)),
        command=training_command(config, overrides, changes_of(cfg, choice, scale), choice, wishes.gpu, flags),
    )


def _checked(config: str, overrides: list[str]) -> RootSection:
    cfg = schema.load(config, overrides).root
    for section, found in (("OPTIMIZER", cfg.OPTIMIZER), ("DATASET.train", cfg.DATASET.train)):
        if found is None:
            raise UserError(f"{section} is missing from the config; training needs it")
    return cfg


def recipe_of(cfg: RootSection, wishes: Wishes) -> int:
    """The global batch to keep: the one that is wished for, or that the config's rates are for, or that it trains on.

    Raises:
        UserError: it is smaller than the number of processes.
    """
    assert cfg.OPTIMIZER is not None
    section = cfg.GRADIENT_ACCUMULATION
    own = section.global_batch_size if section else cfg.DATASET.batch_size * wishes.processes
    found = wishes.global_batch or base_of(cfg.OPTIMIZER) or own
    if found < wishes.processes:
        raise UserError(f"a global batch of {found} has not a clip for each of {wishes.processes} processes")
    return found


def need_of(cfg: RootSection, wishes: Wishes) -> Callable[[Trial], float]:
    """Bytes that a process of a run takes, by a trial, with what a trial does not have.

    Where there are several processes, each gathers its gradients to exchange them. On a CPU the loader's memory counts
    too: its processes, and the batches that wait.
    """
    workers = cfg.DATASET.num_workers

    def need(trial: Trial) -> float:
        total: float = trial.peak + (trial.trained if wishes.processes > 1 else 0)
        if not wishes.gpu:
            total += workers * (WORKER + AHEAD * trial.clip * trial.batch)
        return total

    return need


def _search(
    subject: Subject,
    cfg: RootSection,
    sizes: list[int],
    budget: float,
    need: Callable[[Trial], float],
    say: Callable[[int, Trial | Died, float], object],
) -> Found:
    """The batch size. Raises UserError where none fits."""

    def attempt(batch: int) -> Trial | Died:
        outcome = subject.attempt(batch)
        say(batch, outcome, 0.0 if isinstance(outcome, Died) else need(outcome))
        return outcome

    found = Search(sizes, budget, need, attempt, subject.wishes.steps).run()
    if not found.batch:
        smallest = sizes[0] if found.trials else 1
        raise UserError(advice.too_small(subject.config, cfg, smallest, found.line.at(smallest), budget))
    return found


def changes_of(cfg: RootSection, choice: Choice, scale: Rates) -> dict[str, int]:
    """What the command overrides: key -> value."""
    changes = {"DATASET.batch_size": choice.batch}
    given = cfg.DATASET.valid_batch_size
    if given is not None and given != validated(given, choice.batch):
        changes["DATASET.valid_batch_size"] = validated(given, choice.batch)
    if choice.groups > 1 or cfg.GRADIENT_ACCUMULATION is not None:
        changes["GRADIENT_ACCUMULATION.global_batch_size"] = choice.together
    if scale.base is not None:
        changes["OPTIMIZER.base_batch_size"] = scale.base
    return changes
