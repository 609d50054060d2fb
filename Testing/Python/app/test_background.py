"""A computation in its own thread: reports arrive in the main one; stop, cancel and errors end it well."""

import atexit
import threading
import time

import pytest
from ISTNRegistrationLib.app.background import BackgroundRun, Turn
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled


def nothing(*_):
    return True


def count(limit, report):
    done = 0
    while done < limit and report(done):
        done += 1
        threading.Event().wait(0.002)
    return done


def test_the_work_runs_elsewhere_and_its_reports_arrive_here_in_order():
    here, where, seen = threading.get_ident(), [], []
    run = BackgroundRun()

    def work(report):
        where.append(threading.get_ident())
        return count(5, report)

    assert run.execute(work, lambda message: seen.append((message, threading.get_ident())), nothing) == 5
    assert where[0] != here and seen == [(k, here) for k in range(5)]


def test_the_window_is_kept_alive_meanwhile():
    beats = []
    BackgroundRun().execute(lambda report: count(50, report), nothing, lambda: beats.append(1) or True)
    assert len(beats) > 1


def test_stop_keeps_what_there_is_and_cancel_does_not():
    run = BackgroundRun()
    assert run.execute(lambda report: count(1000, report), lambda k: run.stop() if k == 3 else None, nothing) < 1000
    run = BackgroundRun()
    with pytest.raises(RegistrationCancelled):
        run.execute(lambda report: count(1000, report), lambda k: run.cancel() if k == 3 else None, nothing)


def test_a_cancel_that_comes_after_the_last_report_counts_too():
    run = BackgroundRun()
    with pytest.raises(RegistrationCancelled):
        run.execute(lambda report: threading.Event().wait(0.1), nothing, lambda: run.cancel() or True)


def test_errors_of_the_work_and_of_the_listener_arrive():
    def fail(*_):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        BackgroundRun().execute(fail, nothing, nothing)
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"):
        BackgroundRun().execute(lambda report: count(1000, report), fail, nothing)
    assert threading.active_count() == before


def test_a_second_run_during_the_first_is_refused_and_the_first_goes_on():
    refused = []

    def press(_message):
        try:
            BackgroundRun().execute(lambda report: None, nothing, nothing)
        except InputError as error:
            refused.append(str(error))

    assert BackgroundRun().execute(lambda report: count(3, report), press, nothing) == 3
    assert len(refused) == 3 and "another registration is running" in refused[0]
    assert BackgroundRun().execute(lambda report: 7, nothing, nothing) == 7


def test_a_closing_application_ends_the_run_at_once_and_begins_none():
    ticks, began = [], []

    def closes():
        ticks.append(1)
        return len(ticks) < 4

    with pytest.raises(RegistrationCancelled, match="closing"):
        BackgroundRun().execute(lambda report: count(10_000, report), nothing, closes)
    with pytest.raises(RegistrationCancelled, match="closing"):
        BackgroundRun().execute(began.append, nothing, lambda: False)
    assert len(ticks) == 4 and not began


def test_work_that_reports_nothing_does_not_keep_a_closing_application_and_ends_before_python_does(monkeypatch):
    release, ticks, atEnd = threading.Event(), [], []
    monkeypatch.setattr(atexit, "register", lambda action, *values: atEnd.append((action, values)))
    start = time.monotonic()
    with pytest.raises(RegistrationCancelled, match="closing"):
        goes_on = lambda: not ticks.append(1) and len(ticks) < 3  # noqa: E731
        BackgroundRun().execute(lambda report: release.wait(20), nothing, goes_on)
    assert time.monotonic() - start < 2
    ((join, (seconds,)),) = atEnd
    assert 5 < seconds < 30 and "ISTN registration" in {thread.name for thread in threading.enumerate()}
    threading.Timer(0.1, release.set).start()
    join(seconds)
    assert "ISTN registration" not in {thread.name for thread in threading.enumerate()}


def test_one_tab_has_the_turn_and_all_hear_of_it():
    turn, heard = Turn(), []
    turn.onChange = lambda: heard.append((turn.isFreeFor("a"), turn.isFreeFor("b")))
    turn.take("a", "wait for a")
    turn.giveBack()
    assert heard == [(True, False), (True, True)]
