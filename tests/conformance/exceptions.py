"""What of CPython's tests of asyncio does not apply to ``SimLoop``, each with its reason.

Owns: the list that :mod:`suite` holds outcomes against. A test that is listed here and passes makes
the suite fail, so the list can't go stale. No entry stands for something that is yet to be done: a
failure that a program could meet is a bug of ours.
"""

from __future__ import annotations

import sys

LEFT_OUT = {
    "test_proactor_events": "Windows' loop.",
    "test_tools": "Looks into other real processes, from outside; no loop of this one takes part.",
    "test_windows_events": "Windows' loop.",
    "test_windows_utils": "Windows' pipes.",
}
"""Modules of which nothing applies."""

REPEATS = (
    "EPollEventLoopTests",
    "PollEventLoopTests",
    "SubprocessFastWatcherTests",
    "SubprocessPidfdWatcherTests",
    "SubprocessSafeWatcherTests",
)
"""Classes that run the tests of another one once more, with another selector or another watcher of
real processes; a simulated loop has neither, so it would be counted several times."""


def _reasons(groups: dict[str, str]) -> dict[str, str]:
    """Turn reasons with the tests of each, one per word, into tests with their reasons."""
    return {
        f"{family}.{test}": reason
        for reason, text in groups.items()
        for line in text.strip().splitlines()
        for family, *tests in [line.split()]
        for test in tests
    }


EXCEPTIONS = {
    "test_base_events": _reasons(
        {
            "Puts handles of its own into the base loop's heap of timers, and runs one turn.": """
BaseEventLoopTests test__run_once
BaseEventLoopTests test__run_once_schedule_handle test__run_once_cancelled_event_cleanup""",
            "Counts calls of a mock in the place of the selector, or how often its events are"
            " taken; a simulated loop asks no selector for what it knows.": """
BaseEventLoopTests test_run_forever_pre_stopped test_custom_run_forever_integration
BaseEventLoopTests test_single_selecter_event_callback_after_stopping""",
            "Calls the selector loop's private method that accepts.": """
BaseEventLoopWithSelectorTests test_accept_connection_retry test_accept_connection_exception""",
            "The base class is abstract and can neither watch descriptors nor send files; ours is a"
            " whole loop that can.": """
BaseEventLoopTests test_not_implemented
BaseLoopSockSendfileTests test__sock_sendfile_native_failure test_sock_sendfile_no_fallback""",
            "Starts a real interpreter, in which asyncio has its own loop.": """
BaseEventLoopTests test_env_var_debug""",
        }
    ),
    "test_eager_task_factory": _reasons(
        {
            "Starts a real interpreter, in which asyncio has its own loop.": """
CEagerTaskFactoryLoopTests test_issue105987""",
        }
    ),
    "test_events": _reasons(
        {
            "Opens a terminal, a device or a named pipe of the real machine, for which a simulated"
            " loop would have to wait in real time.": """
SelectEventLoopTests test_read_pty_output test_write_pty test_bidirectional_pty
SelectEventLoopTests test_write_named_fifo_unread_data
UnixPipeObjectSupportTests test_read_fifo test_write_fifo
UnixPipeObjectSupportTests test_read_character_device test_write_character_device""",
            "Counts the selector loop's own descriptors and turns.": """
SelectEventLoopTests test_internal_fds test_timeout_rounding""",
        }
    ),
    "test_runners": _reasons(
        {
            "Spins on sleep(0) until a tenth of a second has passed: in virtual time nothing passes"
            " while something is ready, and the run says that it is a livelock.": """
RunnerTests test_interrupt_call_soon""",
        }
    ),
    "test_selector_events": _reasons(
        {
            "Puts a mock in the place of the selector, and checks what the loop asks it.": """
BaseSelectorEventLoopTests test_add_reader test_add_reader_existing
BaseSelectorEventLoopTests test_add_reader_existing_writer test_add_writer test_add_writer_existing
BaseSelectorEventLoopTests test_remove_reader test_remove_reader_read_write
BaseSelectorEventLoopTests test_remove_reader_unknown test_remove_writer
BaseSelectorEventLoopTests test_remove_writer_read_write test_remove_writer_unknown
BaseSelectorEventLoopTests test_process_events_read test_process_events_write""",
            "Inspects the sockets by which threads wake the selector loop.": """
BaseSelectorEventLoopTests test_read_from_self_tryagain test_read_from_self_exception
BaseSelectorEventLoopTests test_write_to_self_tryagain test_write_to_self_exception test_close""",
            "Calls the selector loop's private method that accepts.": """
BaseSelectorEventLoopTests test_accept_connection_multiple test_accept_connection_zero_one
BaseSelectorEventLoopTests test_accept_connection_skip_connectionabortederror""",
        }
    ),
    "test_sendfile": _reasons(
        {
            "Borrows the base class's method to have no native sendfile; ours has one.": """
SelectEventLoopTests test_sendfile_force_unsupported_native""",
        }
    ),
    "test_streams": _reasons(
        {
            "Lets a real process inherit a descriptor by its number.": """
StreamTests test_read_all_from_pipe_reader""",
        }
    ),
    "test_subprocess": _reasons(
        {
            "Lets a real process inherit a descriptor by its number, or a real grandchild a pipe of"
            " its parent.": """
SubprocessThreadedWatcherTests test_stdin_broken_pipe test_wait_even_if_pipe_is_open""",
            "Inspects what looks after real children: the loop's watcher and its threads.": """
GenericWatcherTests test_create_subprocess_fails_with_inactive_watcher
SubprocessThreadedWatcherTests test_watcher_implementation
SubprocessThreadedWatcherTests test_pid_not_reaped_before_exit_published""",
            "Stops a real process in its tracks: a simulated one is a coroutine, and says so.": """
SubprocessThreadedWatcherTests test_stopped_child_does_not_block_event_loop""",
        }
    ),
    "test_tasks": _reasons(
        {
            "Starts a real interpreter, in which asyncio has its own loop.": """
FutureGatherTests test_env_var_debug
CoroutineGatherTests test_env_var_debug""",
        }
    ),
    "test_unix_events": _reasons(
        {
            "Puts mocks in the place of the signal module, and checks by which system calls the"
            " selector loop hears of real signals.": """
SelectorEventLoopSignalTests test_check_signal test_handle_signal_no_handler
SelectorEventLoopSignalTests test_handle_signal_cancelled_handler
SelectorEventLoopSignalTests test_add_signal_handler_setup_error
SelectorEventLoopSignalTests test_add_signal_handler_install_error
SelectorEventLoopSignalTests test_add_signal_handler_install_error2
SelectorEventLoopSignalTests test_add_signal_handler_install_error3
SelectorEventLoopSignalTests test_remove_signal_handler test_remove_signal_handler_2
SelectorEventLoopSignalTests test_remove_signal_handler_error
SelectorEventLoopSignalTests test_remove_signal_handler_error2
SelectorEventLoopSignalTests test_close test_close_on_finalizing""",
            "Calls the selector loop's private steps around os.sendfile, which is a mock or not"
            " there.": """
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_not_available
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_cancel1 test_sock_sendfile_cancel2
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_blocking_error
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_os_error_first_call
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_os_error_next_call
SelectorEventLoopUnixSockSendfileTests test_sock_sendfile_exception""",
            "Forks the real process.": """
TestFork test_fork_not_share_current_task test_fork_not_share_event_loop
TestFork test_fork_signal_handling test_fork_asyncio_run test_fork_asyncio_subprocess""",
            "Puts a mock in the place of os.waitpid, which no simulated process needs.": """
PidfdChildWatcherTests test_pidfd_closed_when_waitpid_raises""",
        }
    ),
}
"""For each module, the tests that do not apply and the reason of each."""

if (3, 13) <= sys.version_info < (3, 14):
    EXCEPTIONS["test_base_events"]["BaseEventLoopTests.test_shutdown_default_executor_timeout"] = (
        "Sleeps in a real thread of its own for longer than a timeout: the clock stands still"
        " meanwhile."
    )
