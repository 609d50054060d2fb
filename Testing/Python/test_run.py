"""run.py decides rightly, without making a real environment."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The module run.py with requirements of its own, no process started and no network asked."""
    spec = importlib.util.spec_from_file_location("istn_run", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch==2.13.0\n")
    monkeypatch.setattr(module, "REQUIREMENTS", requirements)
    monkeypatch.setattr(module, "answers", lambda url: False)
    monkeypatch.setattr(module, "has_own_wheels", lambda python: True)
    return module


@pytest.fixture
def environment(run, tmp_path, monkeypatch):
    """A made-up environment; `calls` records what would have been started, `code` is what pip would return."""
    fake = SimpleNamespace(folder=tmp_path / "venv", calls=[], code=0)
    fake.python = run.venv_python(fake.folder, "Linux")

    def create(folder, with_pip, symlinks):
        assert symlinks == (os.name != "nt")  # as `python -m venv` does; copies of some Pythons do not start
        fake.calls.append("create")
        fake.python.parent.mkdir(parents=True)
        fake.python.touch()

    def call(command, **_):
        fake.calls.append(command[2])
        return fake.code

    monkeypatch.setattr(run.venv, "create", create)
    monkeypatch.setattr(run.subprocess, "call", call)
    monkeypatch.setattr(run, "check_python", lambda *_: None)
    monkeypatch.setattr(run, "check_disk", lambda *_: None)
    fake.set_up = lambda: run.set_up(fake.folder, fake.python, "Linux")
    return fake


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13)])
@pytest.mark.parametrize("machine", [("Linux", "x86_64"), ("Windows", "AMD64"), ("Darwin", "arm64")])
def test_pythons_that_slicer_core_serves_are_accepted(run, version, machine):
    run.check_python(version, *machine)


@pytest.mark.parametrize("version, word", [((3, 9), "old"), ((2, 7), "old"), ((3, 14), "new")])
def test_other_pythons_are_refused_with_the_versions_that_work(run, version, word):
    with pytest.raises(run.SetupError, match=f"too {word}.*3.10 to 3.13; got {version[0]}.{version[1]}"):
        run.check_python(version, "Linux", "x86_64")


@pytest.mark.parametrize("machine", [("Darwin", "x86_64"), ("Linux", "aarch64")])
def test_machines_without_slicer_core_are_refused_by_name(run, machine):
    with pytest.raises(run.SetupError, match=" ".join(machine)):
        run.check_python((3, 12), *machine)


def test_a_python_without_ensurepip_is_told_which_package_is_missing(run, monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(run.SetupError, match="apt-get install python3.*-venv"):
        run.check_venv_module()


def test_a_full_disk_is_noticed_before_anything_is_installed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1.2e9))
    with pytest.raises(run.SetupError, match="Expected 3 GB free; got 1.2 GB"):
        run.check_disk(tmp_path / "not" / "there" / "yet", 3.0)


def test_the_environment_lives_in_the_repository_unless_a_variable_names_a_place(run, tmp_path):
    assert run.venv_folder({}) == ROOT / ".venv"
    assert run.venv_folder({"ISTN_VENV": ""}) == ROOT / ".venv"
    assert run.venv_folder({"ISTN_VENV": str(tmp_path)}) == tmp_path


def test_windows_keeps_its_interpreter_elsewhere(run, tmp_path):
    assert run.venv_python(tmp_path, "Windows") == tmp_path / "Scripts" / "python.exe"
    assert run.venv_python(tmp_path, "Darwin") == tmp_path / "bin" / "python"


def test_a_first_run_builds_and_a_second_run_does_nothing(environment):
    environment.set_up()
    assert environment.calls == ["create", "pip"]
    environment.set_up()
    assert environment.calls == ["create", "pip"]


def test_changed_requirements_are_installed_into_the_same_environment(run, environment):
    environment.set_up()
    run.REQUIREMENTS.write_text("torch==2.14.0\n")
    environment.set_up()
    assert environment.calls == ["create", "pip", "pip"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_do_not_count_as_changed_requirements(run, environment, newline):
    environment.set_up()
    run.REQUIREMENTS.write_bytes(f"torch==2.13.0{newline}".encode())
    assert run.plan(environment.folder, environment.python) == "use"


def test_an_interrupted_installation_is_built_again_from_nothing(run, environment, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.subprocess, "call", interrupt)
        with pytest.raises(KeyboardInterrupt):
            environment.set_up()
    (environment.folder / "half-written").touch()
    environment.set_up()
    assert environment.calls == ["create", "create", "pip"]
    assert not (environment.folder / "half-written").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "building"}'])
def test_a_damaged_marker_means_build_again(run, environment, content):
    environment.set_up()
    (environment.folder / run.MARKER).write_text(content)
    assert run.plan(environment.folder, environment.python) == "rebuild"


def test_an_environment_whose_interpreter_went_away_is_built_again(run, environment):
    environment.set_up()
    environment.python.unlink()
    assert run.plan(environment.folder, environment.python) == "rebuild"


def test_a_folder_that_run_py_did_not_make_is_never_touched(run, environment):
    environment.folder.mkdir()
    (environment.folder / "precious.txt").write_text("mine")
    with pytest.raises(run.SetupError, match="left alone"):
        environment.set_up()
    assert (environment.folder / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize("reachable, words", [(True, "pip's message is above"), (False, "pypi.org cannot be reached")])
def test_a_failed_installation_says_whether_the_network_is_the_reason(run, environment, monkeypatch, reachable, words):
    def connect(*_, **__):
        if not reachable:
            raise OSError("no route")
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(run.socket, "create_connection", connect)
    environment.code = 1
    with pytest.raises(run.SetupError, match=words):
        environment.set_up()
    assert json.loads((environment.folder / run.MARKER).read_text())["state"] == "building"


@pytest.mark.parametrize(
    "system, own_wheels, reachable, named, space",
    [
        ("Linux", False, True, True, 3.0),
        ("Linux", False, False, False, 9.0),
        ("Linux", True, True, False, 3.0),
        ("Windows", False, True, False, 3.0),
        ("Darwin", False, True, False, 3.0),
    ],
)
def test_the_cpu_index_is_named_only_where_it_helps(run, monkeypatch, system, own_wheels, reachable, named, space):
    monkeypatch.setattr(run, "has_own_wheels", lambda python: own_wheels)
    monkeypatch.setattr(run, "answers", lambda url: reachable)
    options, needed_gb = run.choose_index(Path("python"), system)
    assert (run.CPU_TORCH_INDEX in options) == named
    assert needed_gb == space


def test_pip_installs_wheels_only_from_the_requirements(run):
    command = run.pip_command(Path("venv-python"), ["--extra-index-url", "somewhere"])
    assert command[:4] == ["venv-python", "-m", "pip", "install"]
    assert command[-4:] == ["--extra-index-url", "somewhere", "-r", str(run.REQUIREMENTS)]
    assert "--only-binary" in command


def test_arguments_are_handed_on_unchanged(run):
    python = Path("venv-python")
    assert run.command_line("test", python, ["-k", "a b"]) == ["venv-python", "-m", "pytest", "-k", "a b"]
    demo = run.command_line("demo", python, ["--fixed", "my file.nii"])
    assert demo == ["venv-python", str(ROOT / "scripts" / "pictures" / "demo.py"), "--fixed", "my file.nii"]


@pytest.mark.parametrize(
    "environ, system, expected",
    [
        ({}, "Linux", "vtkEGLRenderWindow"),
        ({"VTK_DEFAULT_OPENGL_WINDOW": ""}, "Linux", "vtkEGLRenderWindow"),
        ({"VTK_DEFAULT_OPENGL_WINDOW": "mine"}, "Linux", "mine"),
        ({"DISPLAY": ":0"}, "Linux", None),
        ({}, "Windows", None),
    ],
)
def test_vtk_renders_without_a_display_where_there_is_none(run, environ, system, expected):
    child = run.child_environment(environ, system)
    assert child.get("VTK_DEFAULT_OPENGL_WINDOW") == expected


@pytest.mark.parametrize("code, expected", [(0, 0), (1, 1), (5, 5), (-11, 139)])
def test_the_exit_code_of_the_command_passes_through(run, monkeypatch, code, expected):
    monkeypatch.setattr(run, "set_up", lambda *_: None)
    monkeypatch.setattr(run.subprocess, "call", lambda *_, **__: code)
    assert run.main(["test"]) == expected


def test_a_machine_that_cannot_work_ends_in_one_line_and_code_2(run, monkeypatch, capsys):
    def refuse(*_):
        raise run.SetupError("no room")

    monkeypatch.setattr(run, "set_up", refuse)
    assert run.main(["demo"]) == 2
    assert capsys.readouterr().err == "run.py: no room\n"


@pytest.mark.parametrize("arguments, code", [([], 2), (["dance"], 2), (["--help"], 0), (["-h"], 0)])
def test_anything_but_demo_and_test_shows_the_usage(run, capsys, arguments, code):
    assert run.main(arguments) == code
    shown = capsys.readouterr()
    assert "run.py demo" in (shown.err if code else shown.out)


def test_an_old_python_can_read_run_py_far_enough_to_be_told():
    text = (ROOT / "run.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "from __future__" not in text  # `annotations` came with 3.7


def test_the_requirements_pin_what_slicer_and_torch_must_be():
    lines = (ROOT / "requirements-run.txt").read_text().splitlines()
    for pin in ("torch==2.13.0", "slicer-core==5.12.4.0", "SimpleITK==2.5.7"):
        assert pin in lines


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_continuous_integration_runs_the_same_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "python3 run.py test" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)
