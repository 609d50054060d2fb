"""What comes after a training's steps: the page and the verdict, going on, and a finished run that stays as it is."""

import re

import pytest
import torch
from command import files_in, run
from ISTNRegistrationLib.cli import train, training_end
from ISTNRegistrationLib.cli.training_outputs import TrainingOutputs
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.judgement import Judgement, judge
from ISTNRegistrationLib.core.schedule import learning_rate
from ISTNRegistrationLib.data.pair_source import CachedPairs
from ISTNRegistrationLib.data.training_page import training_page, verdict
from study import write_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of six steps; tests work on copies of what they change."""
    folder = tmp_path_factory.mktemp("finished")
    study = write_study(folder, steps=6)
    assert run("train", **study, output=folder / "out") == 0
    return folder, study


def times(folder):
    return {name: (folder / name).stat().st_mtime_ns for name in files_in(folder)}


def test_resuming_a_finished_run_changes_nothing_and_says_so(finished, capsys):
    folder, study = finished
    before = times(folder / "out")
    assert run("train", "--resume", **study, output=folder / "out") == 0
    assert times(folder / "out") == before
    assert "finished at step 6, nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["training.html", "last.h5", "best.h5"])
def test_resuming_a_finished_run_writes_what_a_kill_kept_from_being_written(finished, lost):
    folder, study = finished
    (folder / "out" / lost).unlink()
    assert run("train", "--resume", **study, output=folder / "out") == 0
    assert (folder / "out" / lost).is_file()


def test_the_page_is_complete_in_itself_and_has_all_structures_and_stages(finished):
    text = (finished[0] / "out" / "training.html").read_text()
    for word in ("outer", "inner", "before", "one pass", "refined", "val/bspline", "true structures", "its map F"):
        assert word in text
    assert text.count("data:image/png;base64,") == 5 and text.count("<svg") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", text)


def test_more_steps_go_on_with_optimizer_history_and_a_new_learning_rate(tmp_path, capsys, monkeypatch):
    study, out = write_study(tmp_path, steps=6), tmp_path / "out"
    assert run("train", **study, output=out) == 0
    first = torch.load(out / "state.pt", weights_only=True)["trainer"]
    assert run("train", **study, steps=3, output=out) == 0
    assert "steps 6 to 9: the learning rate rises in 2 steps to 0.0025 and falls" in capsys.readouterr().out
    card, state = load_checkpoint(out / "last.h5").card, torch.load(out / "state.pt", weights_only=True)["trainer"]
    assert card["steps"] == 9 and [row["step"] for row in card["history"]] == [3, 6, 9]
    counts = [{int(values["step"]) for values in s["optimizer"]["state"].values()} for s in (first, state)]
    assert max(counts[0]) == 6 and max(counts[1]) == 9  # Adam's moments were not begun anew
    assert card["history"][:2] == first["history"]
    assert run("train", "--resume", **study, output=out) == 0
    assert "finished at step 9" in capsys.readouterr().out


def test_an_interrupted_extension_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, capsys):
    study = write_study(tmp_path, steps=3)
    for name in ("whole", "halves"):
        assert run("train", **study, output=tmp_path / name) == 0
    assert run("train", **study, steps=6, output=tmp_path / "whole") == 0
    after_step = TrainingOutputs.__call__

    def stop_at_seven(outputs, trainer, values):
        if trainer.step == 7:
            raise KeyboardInterrupt
        after_step(outputs, trainer, values)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingOutputs, "__call__", stop_at_seven)
        assert run("train", **study, steps=6, output=tmp_path / "halves") == 130
    error = capsys.readouterr().err
    assert f"go on with: istn train --config {study['config']} --output {tmp_path / 'halves'} --resume" in error
    assert run("train", **study, steps=6, output=tmp_path / "halves") == 2
    assert "the run is not finished" in capsys.readouterr().err
    assert run("train", "--resume", **study, output=tmp_path / "halves") == 0
    weights = [load_checkpoint(tmp_path / name / "last.h5").model.state_dict() for name in ("whole", "halves")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_more_steps_of_nothing_are_one_line_and_exit_code_2(tmp_path, capsys):
    assert run("train", **write_study(tmp_path), steps=3, output=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "no run to go on with" in error and len(error.splitlines()) == 1


def test_the_learning_rate_is_half_a_cosine_and_rises_once_more_to_half():
    phases = [[0, 100], [100, 50]]
    rates = [learning_rate(step, phases, 1.0, 10, "cosine") for step in range(150)]
    assert rates[0] == pytest.approx(0.1) and rates[50] == pytest.approx(0.5) and rates[99] < 1e-3
    assert rates[100] == pytest.approx(0.05) and rates[125] == pytest.approx(0.25) and rates[149] < 1e-3
    assert max(rates[:100]) > 0.95 and 0.4 < max(rates[100:]) < 0.5
    assert rates[:100] == [learning_rate(step, [[0, 100]], 1.0, 10, "cosine") for step in range(100)]


def test_a_constant_learning_rate_goes_on_at_half():
    rates = [learning_rate(step, [[0, 100], [100, 50]], 4.0, 10, "constant") for step in range(150)]
    assert rates[99] == 4.0 and rates[100] == pytest.approx(0.2) and set(rates[109:]) == {2.0}


def make_judgement(before, once, refined):
    dice = torch.tensor([[[before], [once], [refined]], [[before], [once], [float("nan")]]])
    pictures = dict.fromkeys(("fixed image", "true structures"), torch.rand(1, 8, 9))
    return Judgement(dice, pictures)


@pytest.mark.parametrize(
    "numbers, worse, words",
    [
        ((0.7, 0.6, 0.68), True, "WORSE THAN DOING NOTHING"),
        ((0.7, 0.6, 0.705), False, "no better than doing nothing"),
        ((0.7, 0.6, 0.8), False, "better than doing nothing by 0.100"),
    ],
)
def test_the_verdict_compares_the_refined_answer_with_doing_nothing(numbers, worse, words):
    judgement = make_judgement(*numbers)
    assert judgement.worse is worse and verdict(judgement).startswith(words)
    assert ("its one pass is worse" in verdict(judgement)) is not worse
    assert words in training_page(judgement, ("a",), [{"step": 1, "loss": 2.0, "val/x": 0.5}], "how")


def test_a_model_that_is_worse_has_its_own_exit_code(tmp_path, capsys, monkeypatch):
    study = write_study(tmp_path, steps=3)
    monkeypatch.setattr(training_end, "judge", lambda *_: make_judgement(0.7, 0.5, 0.6))
    monkeypatch.setattr(training_end, "training_page", lambda *_: "page")
    assert run("train", **study, output=tmp_path / "out") == training_end.WORSE == 3
    assert "WORSE THAN DOING NOTHING" in capsys.readouterr().err and (tmp_path / "out" / "best.h5").is_file()


def test_a_pair_is_judged_before_after_one_pass_and_refined(tmp_path, monkeypatch):
    """An ITN that is right and an STN that does nothing: one pass changes nothing, refinement mends it."""
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "out") == 0
    config = train.read_config(study["config"])
    model = ISTN(config.model)
    pair = next(iter(CachedPairs(tmp_path / "out" / "cache.h5", config.model, config.augment).validation_pairs()))
    pair["moving_soi"] = pair["moving_soi"].roll(2, dims=-1)
    given = iter([pair["moving_soi"], pair["fixed_soi"]])
    monkeypatch.setattr(ISTN, "maps", lambda self, images: next(given))
    for stn in model.stns.values():
        for parameter in stn.parameters():
            torch.nn.init.zeros_(parameter)
    found = judge(model, [pair])
    before, once, refined = found.dice[0].mean(dim=-1).tolist()
    assert once == pytest.approx(before, abs=1e-6) and refined > before + 0.05 and not found.worse
    assert torch.equal(found.pictures["moving structures before"], pair["moving_soi"][0])
