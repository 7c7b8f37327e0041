"""The findings, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from paddlevideo.tasks.doctor.finding import Finding


def lines(title: str, findings: Sequence[Finding]) -> list[str]:
    """A group of findings: its title, then a line each."""
    width = min(max((len(finding.where) for finding in findings), default=0), 40)
    shown = [title]
    for finding in findings:
        fix = f" -> {finding.fix}" if finding.fix else ""
        text = " ".join(f"{finding.what}{fix}".split())
        shown.append(f"  {finding.level:8} {finding.where:{width}}  {text}")
    return shown


def count(findings: Sequence[Finding]) -> dict[str, int]:
    """How many errors and warnings."""
    levels = Counter(finding.level for finding in findings)
    return {"errors": levels["error"], "warnings": levels["warning"]}


def summary(findings: Sequence[Finding]) -> str:
    """The last line: "3 errors, 1 warning"."""
    said = []
    for word, number in count(findings).items():
        said.append(f"{number or 'no'} {word if number != 1 else word.removesuffix('s')}")
    return ", ".join(said)


def plain(groups: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """The same for JSON."""
    everything = [{"group": group, **asdict(finding)} for group, found in groups.items() for finding in found]
    return {**count([finding for found in groups.values() for finding in found]), "findings": everything}
