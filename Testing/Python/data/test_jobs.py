"""Work in several processes: results, threads, and what happens to the others when one dies, fails or waits."""

import os
import time

import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.jobs import in_processes, shared_threads
from ISTNRegistrationLib.data.journal import Journal
from workers import Square


def alive(process):
    """Whether a process runs; one that has ended and was waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_item_has_its_result_and_one_that_dies_costs_only_itself():
    found = dict(in_processes(Square(), [2, 13, 3, 4], 1, 2))
    assert isinstance(found[1], InputError) and "exit code 7" in str(found[1])
    assert {k: found[k][0] for k in (0, 2, 3)} == {0: 4, 2: 9, 3: 16}
    assert {found[k][1] for k in (0, 2, 3)} == {2}
    assert os.getpid() not in {found[k][2] for k in (0, 2, 3)}


def test_a_fault_of_ours_is_raised_here_and_leaves_no_process():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(Square(), [-1], 1, 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="asks the system for processes as POSIX does")
def test_when_the_caller_stops_the_processes_end_at_once():
    began, results = time.monotonic(), in_processes(Square(), [5, 99, 6], 2, 1)
    process = next(results)[1][2]
    results.close()
    assert not alive(process) and time.monotonic() - began < 60


def test_the_journal_has_the_order_of_the_list_and_leaves_other_rows_in_their_places(tmp_path):
    with Journal(tmp_path / "j.csv", ("id", "n")) as journal:
        for name in ("c", "other", "a", "b"):
            journal.append(name, [{"n": name}])
        journal.sort(["a", "b", "c", "missing"])
    assert [line[0] for line in (tmp_path / "j.csv").read_text().splitlines()[1:]] == ["a", "o", "b", "c"]


@pytest.mark.parametrize("threads, jobs, each", [(8, 2, 4), (7, 2, 3), (2, 5, 1)])
def test_threads_are_shared_out(threads, jobs, each):
    assert shared_threads(threads, jobs) == each
