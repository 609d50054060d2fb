"""The command itself: help, exit codes, and one line for every error."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import run
from ISTNRegistrationLib.cli import main as command
from ISTNRegistrationLib.core.errors import InputError

PACKAGE = Path(command.__file__).parents[2]


@pytest.fixture
def broken(monkeypatch):
    """Makes ``istn train`` raise an exception."""

    def install(error):
        def fail(args):
            raise error

        def add_parser(commands):
            commands.add_parser("train").set_defaults(run=fail)

        monkeypatch.setattr(command.importlib, "import_module", lambda *_: SimpleNamespace(add_parser=add_parser))

    return install


def test_it_runs_as_a_module_and_its_help_needs_no_torch():
    code = "import sys; from ISTNRegistrationLib.cli.main import main\ntry: main(['--help'])\nfinally: "
    code += "sys.stderr.write('torch' if 'torch' in sys.modules else 'quick')"
    for words in (["-m", "ISTNRegistrationLib.cli", "--help"], ["-c", code]):
        done = subprocess.run([sys.executable, *words], cwd=PACKAGE, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr in ("", "quick")
        assert all(name in done.stdout for name in command.COMMANDS)


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_explains_its_options(name, capsys):
    assert run(name, "--help") == 0
    assert ("--json" if name == "info" else "--output") in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "required: COMMAND"),
        (["fly"], "'fly'"),
        (["register"], "--fixed"),
        (["register", "--transform", "bend"], "'bend'"),
        (["train", "--config", "c.toml", "--output", "o", "--device", "abacus"], "'abacus'"),
        (["train", "--threads", "-1"], "--threads: expected a whole number from 1 to 1024; got '-1'"),
        (["evaluate", "--threads", "0"], "--threads: expected"),
        (["evaluate", "--labels", "3", "0"], "--labels: expected"),
        (["evaluate", "--iterations", str(2**70)], f"got '{2**70}'"),
        (["register", "--iterations", "-1"], "--iterations: expected a whole number from 0 to 1000000; got '-1'"),
        (["register", "--iterations", "1.5"], "got '1.5'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(words, complaint, capsys):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert complaint in error and "--help" in error and len(error.splitlines()) == 1


QUICK = [["--help"], ["apply", "--help"], ["register", "--help"], ["--version"], ["apply"]]


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_help_waits_for_nothing_heavy(words):
    code = "import sys; from ISTNRegistrationLib.cli.main import main\ntry: main(sys.argv[1:])\nfinally: "
    code += "sys.stderr.write('heavy:' + ' '.join({'torch', 'SimpleITK', 'h5py', 'tqdm', 'scipy'} & set(sys.modules)))"
    whole = [sys.executable, "-c", code, *words]
    done = subprocess.run(whole, cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if words == ["apply"] else 0)
    assert done.stderr.endswith("heavy:")


def test_the_exit_codes_stand_in_the_help(capsys):
    assert run("--help") == 0
    assert "130 interrupted" in " ".join(capsys.readouterr().out.split())


def test_the_version_is_told(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("istn ")


def test_other_programs_can_ask_for_all_options():
    commands = next(action for action in command.whole_parser()._actions if action.dest == "command").choices
    assert set(commands) == set(command.COMMANDS)
    options = {name: {o for action in p._actions for o in action.option_strings} for name, p in commands.items()}
    assert "--label-interpolation" in options["apply"] and "--fixed" in options["register"]


def test_shtab_makes_completions_of_them():
    shtab = pytest.importorskip("shtab")
    script = shtab.complete(command.whole_parser(), shell="bash")
    assert "--label-interpolation" in script and "--output-transform" in script


def test_a_name_that_is_no_text_is_one_line_and_not_the_end_of_the_process(capsys):
    words = ["--points", "p.csv", "--space", "LPS", "--output", "o.csv"]
    assert run("apply", "--transform", "t\udcff.h5", *words) == 2
    error = capsys.readouterr().err
    assert "another encoding" in error and len(error.splitlines()) == 1


def test_a_terminal_without_umlauts_gets_an_escape():
    code = "import sys; from ISTNRegistrationLib.cli.main import main; main(['info', 'Gehirn-\u00fc-\u8111'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr and b"Gehirn-\\xfc-\\u8111" in done.stderr


def test_results_too_are_written_with_escapes():
    code = "from ISTNRegistrationLib.cli import main; main._print_anything(); print('Gehirn-\u00fc')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE, env=environment, capture_output=True, check=False)
    assert done.stdout.strip() == b"Gehirn-\\xfc", done.stderr


def test_an_input_error_becomes_one_line_and_exit_code_2(broken, capsys):
    broken(InputError("Image 'a'", "it is\nodd", "even", "odd", "Add one"))
    assert run("train") == 2
    assert capsys.readouterr().err == "istn train: error: Image 'a': it is odd. Expected even; got odd. Add one.\n"


def test_ctrl_c_is_exit_code_130(broken, capsys):
    broken(KeyboardInterrupt())
    assert run("train") == 130
    assert capsys.readouterr().err.strip() == "istn train: interrupted"


def test_a_fault_of_ours_is_not_hidden(broken):
    broken(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        run("train")
