"""The correctness guard of the throughput runs."""

from __future__ import annotations

from pathlib import Path

from bench.logset import Census, Tally, census, log_files

_LINE = "2026-11-22 10:00:00,000 INFO     shop.orders 7 order {:03d}-{:07d} paid by alice in 12 ms\n"


def test_lost_twice_and_torn_are_counted(tmp_path: Path) -> None:
    """A contender that is fast because it loses records must not look fast."""
    whole = [_LINE.format(0, number) for number in range(4)]
    (tmp_path / "app.log").write_text(whole[0] + whole[0] + whole[1] + whole[2][:30] + "\n")
    assert census(tmp_path, 1, 4, check_lines=True) == Census(found=2, lost=2, duplicated=1, torn=1, late=0)


def test_a_line_after_a_younger_one_is_late(tmp_path: Path) -> None:
    """The set promises time order across processes and across its files, the oldest file first."""
    lines = [_LINE.format(0, number).replace("00,000", f"00,00{number}") for number in range(4)]
    (tmp_path / "app.log.10").write_text(lines[0])
    (tmp_path / "app.log.2").write_text(lines[1])
    (tmp_path / "app.log").write_text(lines[3] + lines[2])
    assert census(tmp_path, 1, 4, check_lines=True).late == 1


def test_the_tally_follows_a_rotation_and_waits_for_the_newline(tmp_path: Path) -> None:
    """The end of a trial is found while the set still grows and is renamed."""
    live = tmp_path / "app.log"
    live.write_text(_LINE.format(0, 0) + _LINE.format(0, 1)[:-1])
    tally = Tally(tmp_path)
    assert tally.update() == 1
    with live.open("a") as file:
        file.write("\n")
    live.rename(tmp_path / "app.log.1")
    live.write_text(_LINE.format(0, 2))
    assert tally.update() == 3


def test_lock_files_and_the_spool_are_no_log_files(tmp_path: Path) -> None:
    """What stands beside the log is not counted as the log."""
    for name in ("app.log", "app.log.1", ".__app.log.lock", "app.log.lock"):
        (tmp_path / name).touch()
    (tmp_path / ".logboom").mkdir()
    assert sorted(path.name for path in log_files(tmp_path)) == ["app.log", "app.log.1"]
