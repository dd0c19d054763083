"""Faults that are tested where the thing they hit is tested: the fault, and its test."""

ELSEWHERE = {
    "SIGKILL of the notebook's kernel": "tests/testbed/test_notebook_kernel.py::test_a_killed_kernel_leaves_no_worker",
    "SIGKILL of a study's program, ten times": (
        "tests/study/test_kill.py::test_ten_kills_lose_nothing_and_double_nothing"
    ),
    "SIGKILL of the lab while a worker is deaf": (
        "tests/testbed/test_executor.py::test_a_killed_parent_takes_the_worker_along"
    ),
    "every worker of a study dies": "tests/study/test_engine.py::test_workers_that_always_die_end_the_study",
    "a process pool of one's own breaks": "tests/study/test_engine.py::test_a_pool_that_breaks_ends_the_study",
    "Ctrl-C in a loop": "tests/testbed/test_loop.py::test_an_interrupt_keeps_what_was_measured",
    "Ctrl-C in a study": "tests/study/test_engine.py::test_an_interrupt_returns_what_there_is",
    "Ctrl-C in the command": "tests/test_cli_terminal.py::test_ctrl_c_keeps_what_was_measured",
    "the command's reader leaves": "tests/test_cli_terminal.py::test_a_reader_that_leaves_is_no_error",
    "the command's output is a full disk": "tests/test_cli_terminal.py::test_a_full_disk_is_one_line",
    "Ctrl-C while the command loads": "tests/test_cli_terminal.py::test_ctrl_c_while_it_loads",
    "five times Ctrl-C in the command": "tests/test_cli_terminal.py::test_ctrl_c_keeps_what_was_measured",
    "a fork of the process with an open testbed": (
        "tests/testbed/test_process.py::test_a_fork_is_told_that_the_testbed_is_not_its_own"
    ),
    "a fork outlives the lab": (
        "tests/testbed/test_process.py::test_a_fork_does_not_keep_the_worker_of_a_lab_that_is_gone"
    ),
    "a testbed is forgotten": "tests/testbed/test_process.py::test_testbeds_that_nobody_refers_to_are_closed",
    "a debugger is attached": "tests/testbed/test_process.py::test_it_opens_beside_a_debugger",
    "another run holds the port": "tests/testbed/test_sockets.py::test_who_dials_a_port_that_another_run_holds_is_told",
    "nothing arrives on a socket": "tests/testbed/test_sockets.py::test_no_socket_of_the_lab_waits_for_ever",
    "the supervisor of an audit is stopped": (
        "tests/testbed/test_audit.py::test_a_stopped_supervisor_does_not_hold_the_audit_up"
    ),
    "an audited program overwrites its supervisor": (
        "tests/testbed/test_audit.py::test_a_program_that_overwrites_its_supervisor_does_not_outlast_its_limit"
    ),
    "too few open files for the command": "tests/faults/test_commands.py::test_few_open_files_are_one_line",
    "too few processes for the command": "tests/test_cli_terminal.py::test_numpy_starts_no_threads_in_the_command",
    "a file that is replaced cannot be written": (
        "tests/test_files_written.py::test_what_is_replaced_stays_until_the_new_file_is_whole"
    ),
    "a target that never answers": "tests/testbed/test_loop.py::test_a_silent_target_does_not_hang_the_loop",
    "a study file that somebody has changed": "tests/study/test_store.py::test_what_no_study_has_is_refused",
    "a study file that another program writes": "tests/study/test_store.py::test_a_locked_file_is_said_to_be_locked",
    "a damaged study file": "tests/study/test_store.py::test_a_file_that_is_none_is_refused",
    "a capture cut off anywhere": "tests/testbed/test_recorded.py::test_cut_off_anywhere",
}

# How many inputs of hypothesis each kind of parser gets in CI (test_fuzz.py takes the numbers from here).
FUZZED = {
    "ports and ranges": 2000,
    "sysctl and /proc text": 1000,
    "pcap files": 300,
    "study files": 500,
    "recorded results": 300,
    "plans of a study": 500,
    "command lines": 60,
}
