"""What of the suite runs on Windows, and what does not, each with its reason.

A pytest plugin: `python -m pytest -p windows_suite`. Without arguments it takes the files of `FILES`.
"""

from __future__ import annotations

import pytest

FILES = (
    "tests/windows",
    "tests/journal",
    "tests/handlers",
    "tests/collector",
    "tests/sources",
    "tests/sinks/test_sink_append.py",
    "tests/sinks/test_sink_file.py",
    "tests/sinks/test_sink_held.py",
    "tests/sinks/test_sink_rollover.py",
    "tests/rendering",
    "tests/django",
    "tests/transport",
    "tests/zeromq/test_push.py",
    "tests/zeromq/test_pubsub.py",
    "tests/zeromq/test_server.py",
    "tests/test_assembly.py",
    "tests/test_clock.py",
    "tests/test_coerce.py",
    "tests/test_encoding.py",
    "tests/test_failpoints.py",
    "tests/test_formatters.py",
    "tests/test_guard.py",
    "tests/test_launch.py",
    "tests/test_layout.py",
    "tests/test_merge.py",
    "tests/test_patterns.py",
    "tests/test_record.py",
    "tests/test_rotation.py",
    "tests/test_target.py",
    "tests/test_template.py",
    "tests/test_testing.py",
)

_TOOLS = "looks at the repository or its documentation, the same on every system"
_HARNESS = "its harness waits with select() or sends signals; tests/windows asks the same of Windows"
_UNSEEN = "nobody has looked yet what of it holds on Windows"
# Beginnings of the other files' names.
ELSEWHERE = {
    "tests/bench/": _TOOLS,
    "tests/cli/": _HARNESS,
    "tests/conformance/": _UNSEEN,
    "tests/crash/": _HARNESS,
    "tests/demo/": "tests/windows runs the demonstration",
    "tests/faults/": _HARNESS,
    "tests/logset/": _UNSEEN,
    "tests/query/": _UNSEEN,
    "tests/sinks/test_sink_facts.py": _UNSEEN,
    "tests/platform/": "the other half of the platform layer",
    "tests/sinks/test_sink_crash.py": "dies some thousand times: minutes under Wine",
    "tests/sinks/test_sink_false_errors.py": "replaces calls that are not made on Windows",
    "tests/sinks/test_sink_names.py": "dies some hundred times: minutes under Wine",
    "tests/sinks/test_sink_kill.py": "starts some hundred processes: minutes under Wine",
    "tests/sinks/test_conformance.py": _UNSEEN,
    "tests/sinks/test_homes.py": _HARNESS,
    "tests/zeromq/test_records.py": _UNSEEN,
    "tests/test_docs.py": _TOOLS,
    "tests/test_environments.py": "surroundings of POSIX",
    "tests/test_exit.py": _HARNESS,
    "tests/test_house.py": _TOOLS,
    "tests/test_packaging.py": _TOOLS,
    "tests/test_queues.py": _HARNESS,
    "tests/test_reference_docs.py": _TOOLS,
    "tests/test_schedule.py": "sets the zone with time.tzset, and looks at times before 1970",
    "tests/test_users.py": "users and modes of POSIX",
    "tests/test_windows_suite.py": _TOOLS,
    "tests/test_windows_tools.py": _TOOLS,
    "tests/zeromq/test_feed.py": "its default is ipc://",
    "tests/zeromq/test_forks.py": "nothing forks on Windows",
    "tests/zeromq/test_interoperation.py": _UNSEEN,
    "tests/zeromq/test_push_sink.py": _UNSEEN,
    "tests/zeromq/test_queues_page.py": _TOOLS,
    "tests/zeromq/test_spooled.py": _HARNESS,
    "tests/zeromq/test_waiting.py": _UNSEEN,
    "tests/zeromq/test_zmq_django.py": "gunicorn",
}

MODES = "Windows has access lists, which a file inherits from its directory, and no modes or owners"
CALLS = "replaces a call that is not made on Windows"
ZONES = "the test sets the zone with time.tzset, which Windows does not have"
EPOCH = "the test uses times that are before 1970 in some zones, which Windows cannot convert"
SIZES = "Windows tells a file's length, not the blocks that it takes"
FORKS = "nothing forks on Windows"
LINKS = "a symlink needs a privilege on Windows"
IPC = "ZeroMQ has no ipc:// on Windows"
SIGNALS = "the test ends a process with SIGTERM, which on Windows ends it without a word"
FOLDERS = "the test opens a directory, which Windows does not let it"
TEXTS = "the texts of errors are other ones under Wine"
REPLACED = "a file that is open anywhere cannot be replaced; the next report takes its place"
SLOW = "logs at every one of some thousand points: minutes under Wine"
PROBLEM = (
    "its tracebacks of WinError 32 take a minute; tests/windows/test_windows_log_set.py shows the problem"
)
CHANGED = "Windows has no time of the last change beside the one that anybody can set"
HELD = "the test itself holds the file, which on Windows keeps everybody from it"
SIGKILL = "the test asks for SIGKILL by its name"
APPEND = "several processes that append through Python's own O_APPEND overwrite each other on Windows"
WINE = "Wine keeps the name of a deleted file until it is closed, as Windows before version 10 does"

# Beginnings of test ids.
DIFFERENT = {
    "tests/journal/test_reader.py::test_a_failed_read_loses_nothing": CALLS,
    "tests/journal/test_spool.py::test_create_again_changes_nothing": MODES,
    "tests/journal/test_spool.py::test_many_processes_create_it_at_once": FORKS,
    "tests/journal/test_spool.py::test_modes_follow_the_parent_and_no_umask": MODES,
    "tests/journal/test_spool.py::test_root_gives_it_to_the_directorys_owner": MODES,
    "tests/journal/test_spool.py::test_a_strangers_spool_in_tmp_is_refused": MODES,
    "tests/journal/test_spool.py::test_used_bytes_are_allocated_bytes": SIZES,
    "tests/journal/test_spool.py::test_only_regular_files_are_opened": LINKS,
    "tests/journal/test_spool.py::test_few_descriptors_serve_many_segments": CALLS,
    "tests/journal/test_spool.py::test_spool_lies_beside_the_real_file": LINKS,
    "tests/handlers/test_configuration.py::test_mode_follows_umask": MODES,
    "tests/handlers/test_configuration.py::test_roots_file_belongs_to_the_directorys_owner": MODES,
    "tests/handlers/test_configuration.py::test_network_mount_asks_for_a_spool": CALLS,
    "tests/handlers/test_configuration.py::test_symlink_leads_to_the_spool_of_its_target": LINKS,
    "tests/handlers/test_signals.py::": SLOW,
    "tests/handlers/test_producer.py::test_two_threads_that_leave_a_segment_close_it_once": FOLDERS,
    "tests/handlers/test_shared_stream.py::test_child_of_a_process_with_two_handlers": FORKS,
    "tests/handlers/test_shared_stream.py::test_children_and_their_parent": FORKS,
    "tests/collector/test_runs.py::test_whole_seconds": CHANGED,
    "tests/collector/test_runs.py::test_time_that_was_set_by_hand": CHANGED,
    "tests/collector/test_checkpoint.py::test_files_are_closed_to_others": MODES,
    "tests/collector/test_status_file.py::test_status_is_replaced_whole": REPLACED,
    "tests/collector/test_election.py::test_lock_that_lost_its_name_is_no_lock": WINE,
    "tests/collector/test_service.py::test_lost_lock_is_noticed": WINE,
    "tests/collector/test_troubles.py::test_intent_without_its_bytes_is_not_recorded": CALLS,
    "tests/sources/test_journals.py::test_the_loser_of_a_race_hides_no_segment": WINE,
    "tests/zeromq/test_push.py::test_ipc_and_inproc": IPC,
    "tests/zeromq/test_push.py::test_children_of_every_start_method[fork": FORKS,
    "tests/zeromq/test_pubsub.py::test_the_subscriber_runs_in_a_process[fork": FORKS,
    "tests/zeromq/test_server.py::test_an_address_in_use_is_an_error": TEXTS,
    "tests/zeromq/test_server.py::test_a_stopped_server_has_taken_everything": SIGNALS,
    "tests/zeromq/test_server.py::test_ipc_leaves_no_file": IPC,
    "tests/zeromq/test_server.py::test_the_command": SIGNALS,
    "tests/rendering/test_same_bytes.py::test_one_formatter_gives_one_kind": ZONES,
    "tests/rendering/test_same_bytes.py::test_the_zone_is_the_producers": ZONES,
    "tests/rendering/test_same_bytes.py::test_every_format_gives_the_standard_bytes": EPOCH,
    "tests/rendering/test_same_bytes.py::test_raw_output_is_the_standard_bytes_for_any_text": EPOCH,
    "tests/rendering/test_stamps.py::test_the_zone_is_text_and_no_directive": EPOCH,
    "tests/test_rotation.py::test_schedule_is_the_standard_librarys": ZONES,
    "tests/test_assembly.py::test_drain_that_fails_gives_the_lock_back": TEXTS,
    "tests/test_assembly.py::test_starting_lock_is_given_back_once": FOLDERS,
    "tests/test_assembly.py::test_detached_collector_ends_quietly": FOLDERS,
    "tests/test_testing.py::test_shared_append_file_is_exact": APPEND,
    "tests/test_testing.py::test_shared_rotating_handler_loses": PROBLEM,
    "tests/test_testing.py::test_notes_survive_sigkill": SIGKILL,
    "tests/transport/test_pusher.py::test_which_addresses_other_hosts_reach[ipc": IPC,
    "tests/journal/test_writer.py::test_unlinked_segment_is_noticed": WINE,
    "tests/journal/test_writer.py::test_mode_is_set": MODES,
    "tests/sinks/test_sink_append.py::test_short_writes_go_on": CALLS,
    "tests/sinks/test_sink_file.py::test_a_deleted_file_is_made_again": WINE,
    "tests/sinks/test_sink_file.py::test_a_file_deleted_between": WINE,
    "tests/sinks/test_sink_file.py::test_logrotate_by_renaming": MODES,
    "tests/sinks/test_sink_file.py::test_somebody_elses_file": MODES,
    "tests/sinks/test_sink_file.py::test_the_directory_is_made_again": WINE,
    "tests/sinks/test_sink_file.py::test_recovery_of_a_deleted_file": HELD,
    "tests/sinks/test_sink_file.py::test_modes_come": MODES,
    "tests/sinks/test_sink_file.py::test_links_are_not_followed": LINKS,
    "tests/sinks/test_sink_file.py::test_a_forked_child": FORKS,
    "tests/sinks/test_sink_file.py::test_disturbed_compression[gone": WINE,
    "tests/test_record.py::test_the_way_of_a_formatter": EPOCH,
    "tests/test_record.py::test_what_json_would_change_is_refused_and_finished": EPOCH,
}


def pytest_load_initial_conftests(args: list[str]) -> None:
    if not any(argument.startswith("tests") for argument in args):
        args.extend(FILES)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any("::" in argument for argument in config.args):
        _refuse_stale_excuses([item.nodeid for item in items])
    for item in items:
        for beginning, reason in DIFFERENT.items():
            if item.nodeid.startswith(beginning):
                item.add_marker(pytest.mark.skip(reason))


def _refuse_stale_excuses(collected: list[str]) -> None:
    """A test that was renamed must not leave its excuse behind."""
    files = {nodeid.partition("::")[0] for nodeid in collected}
    stale = [
        beginning
        for beginning in DIFFERENT
        if beginning.partition("::")[0] in files
        and not any(nodeid.startswith(beginning) for nodeid in collected)
    ]
    if stale:
        raise pytest.UsageError(f"no such test: {', '.join(stale)}")
