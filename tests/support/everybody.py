"""An interpreter with logboom that every user of the machine can run: root's own may lie in a closed home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import logboom

NOBODY = 65534
_UNUSED = ("test", "tests", "site-packages", "dist-packages", "idlelib", "ensurepip", "tkinter", "config-*")


class EverybodysPython(NamedTuple):
    """An interpreter, and the environment variables with which it finds its library, logboom and msgspec."""

    executable: str
    environment: dict[str, str]

    def command(self, *arguments: object) -> dict[str, Any]:
        """What `subprocess` needs to run it, in the environment of the tests without logboom's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
        return {
            "args": [self.executable, *map(str, arguments)],
            "env": kept | self.environment,
            "cwd": "/",
            "text": True,
        }

    def works(self) -> bool:
        """Whether a user without any rights can run it."""
        command = self.command("-c", "import logboom.collector.assembly, multiprocessing, decimal, zoneinfo")
        return not subprocess.run(
            **command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True
        ).returncode


def open_directory() -> Path:
    """A directory for temporary files that everybody can reach."""
    for place in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if place.is_dir() and all(path.stat().st_mode & 0o001 for path in (place, *place.parents)):
            return place
    raise AssertionError("neither TMPDIR nor /tmp nor /var/tmp can be reached by everybody")


def everybodys_python(place: Path) -> EverybodysPython:
    """This interpreter where it lies, if everybody can reach it; else a copy of it in `place`.

    Args:
        place: an empty directory that everybody can reach.
    """
    packages = [Path(module.__file__ or "").parent for module in (logboom, msgspec)]
    found = EverybodysPython(
        sys.executable, {"PYTHONPATH": os.pathsep.join(str(path.parent) for path in packages)}
    )
    if not _can_run(found):
        found = _copied(place, packages)
        assert found.works(), f"{found} cannot be run by everybody"
    return found


def _can_run(python: EverybodysPython) -> bool:
    try:
        return python.works()
    except PermissionError:
        return False


def _copied(place: Path, packages: list[Path]) -> EverybodysPython:
    """The parts of the base interpreter that a program needs: the executable, its library, the modules."""
    library = Path(sysconfig.get_path("stdlib"))
    _copy_tree(library, place / library.relative_to(sys.base_prefix))
    for package in packages:
        _copy_tree(package, place / "packages" / package.name)
    for shared in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython*.so*"):
        _share(shared, place / shared.name)
    executable = place / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    executable.parent.mkdir()
    _share(Path(os.path.realpath(sys.executable)), executable)
    return EverybodysPython(
        str(executable), {"PYTHONPATH": str(place / "packages"), "LD_LIBRARY_PATH": str(place)}
    )


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=_share, ignore=shutil.ignore_patterns(*_UNUSED))
    for directory, _, _ in os.walk(target):
        os.chmod(directory, 0o755)


def _share(source: str | Path, target: str | Path) -> None:
    """A second name of the file where that will do, which takes no time; else a copy that all can read."""
    status = os.stat(source)
    if status.st_mode & 0o004 and not os.path.islink(source):
        try:
            os.link(source, target)
            return
        except OSError:
            pass
    shutil.copyfile(source, target)
    os.chmod(target, 0o755 if status.st_mode & 0o100 else 0o644)
