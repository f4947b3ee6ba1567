"""The documentation's page: generated blocks replaced, prose left alone.

Owns: the marks in the page, where the plots go. Never knows: how anything was measured.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench import charts, tables
from bench.summary import Results

__all__ = ["blocks", "replace", "update"]


def blocks(about: dict[str, object], results: Results) -> dict[str, str]:
    """The generated blocks by name, for what was run."""
    made = {"about": _about(about), "promises": tables.targets_table(results)}
    for scenario in ("calls", "throughput", "latency", "memory", "backlog", "idle", "startup"):
        if results.cases(scenario):
            made[scenario] = tables.scenario_table(results, scenario)
    return made


def _about(about: dict[str, object]) -> str:
    versions = about.get("versions")
    packages = versions if isinstance(versions, dict) else {}
    shown = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"Made by `{about['command']}` on {about['date']}: {about['cores']} cores ({about['processor']}), "
        f"{about['memory_gb']} GB, {about['file_system']}, {about['system']}, {about['python']}; {shown}. "
        f"The load average just before was {about['load_before']}."
    )


def replace(text: str, made: dict[str, str]) -> str:
    """`text` with the contents of its generated blocks renewed; a block that was not made stays."""
    for name, content in made.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.DOTALL)
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def update(path: Path, about: dict[str, object], results: Results) -> None:
    path.write_text(replace(path.read_text(), blocks(about, results)))
    readme = path.parents[2] / "README.md"
    if readme.is_file() and results.cases("throughput"):
        readme.write_text(replace(readme.read_text(), {"short": tables.short_table(results)}))
    for name, picture in charts.pictures(results).items():
        (path.parent / f"bench-{name}.svg").write_text(picture)
