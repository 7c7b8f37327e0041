"""What a process may take, by meminfo and by the control groups of both versions, on file systems made up for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlevideo.utils.free_memory import free_memory

GB = 10**9
MEMINFO = "MemTotal:       32000000 kB\nMemAvailable:   20000000 kB\n"
FREE = 20_000_000 * 1024


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(folder: str, limit: str, usage: int, inactive: int = 0) -> dict[str, str]:
    return {
        f"sys/fs/cgroup/{folder}memory.max": limit,
        f"sys/fs/cgroup/{folder}memory.current": f"{usage}\n",
        f"sys/fs/cgroup/{folder}memory.stat": f"anon {usage}\ninactive_file {inactive}\n",
    }


def test_without_groups_it_is_what_is_free(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, {})) == FREE


def test_without_meminfo_nobody_knows(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None


@pytest.mark.parametrize(("limit", "expected"), [("max\n", FREE), (f"{8 * GB}\n", 6 * GB), (f"{64 * GB}\n", FREE)])
def test_a_container_sees_its_group_as_the_mount(limit: str, expected: int, tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/docker/not-visible-here\n", **group("", limit, 3 * GB, inactive=GB)}
    assert free_memory(system(tmp_path, files)) == expected


def test_the_parents_of_a_group_limit_it_too(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/jobs/7\n", **group("jobs/", f"{4 * GB}", GB), **group("jobs/7/", "max", GB)}
    assert free_memory(system(tmp_path, files)) == 3 * GB


def test_the_first_version(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory/slurm"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/slurm\n0::/\n",
        f"{folder}/memory.limit_in_bytes": f"{2 * GB}\n",
        f"{folder}/memory.usage_in_bytes": f"{GB}\n",
        f"{folder}/memory.stat": f"inactive_file 1\ntotal_inactive_file {GB // 2}\n",
    }
    assert free_memory(system(tmp_path, files)) == 1_500_000_000


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", **group("", f"{GB}", 2 * GB)}
    assert free_memory(system(tmp_path, files)) == 0
