"""The command itself: help, exit codes, and one line for every error."""

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
