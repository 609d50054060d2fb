"""Registers two brains in real MRML, without the desktop application, and leaves files, a scene and a picture.

Run it as `python3 run.py demo`, which makes the environment that it needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import SAMPLE


def main(arguments=None) -> int:
    """Parse the command line and run the demo; 2 on input that cannot be used, 130 on Ctrl-C."""
    options = _parser().parse_args(arguments)
    say("starting the MRML scene ...")
    from ISTNRegistrationLib.core.errors import InputError

    try:
        run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    return 0


def run(options) -> None:
    """The demo: images to nodes, registration, nodes to files, scene and picture."""
    from headless.application import boot
    from ISTNRegistrationLib.bridge.outputs import OutputOptions
    from ISTNRegistrationLib.bridge.registration import NodeRequest, SideNodes, registerNodes
    from ISTNRegistrationLib.bridge.volumes import nodeFromVolume
    from ISTNRegistrationLib.core.checkpoint import load_checkpoint
    from ISTNRegistrationLib.data.images import read_image

    started, scene = time.perf_counter(), boot()
    volumes = [read_image(path) for path in (options.fixed, options.moving)]
    pair = tuple(nodeFromVolume(scene, volume, volume.name.split(".")[0]) for volume in volumes)
    checkpoint = load_checkpoint(options.checkpoint)
    checkpoint.check_maps("Use one of these: the demo shows heatmaps")
    say(f"registering {pair[1].GetName()} to {pair[0].GetName()} with the checkpoint '{checkpoint.name}'")
    request = NodeRequest(*map(SideNodes, pair), checkpoint, {"transform": "bspline"})
    nodes = registerNodes(scene, request, OutputOptions(), ProgressBar())
    print_table(nodes.outcome)
    with whole_files(options.output) as folder:
        say("writing transforms, volumes and heatmaps ...")
        write_files(folder, nodes.outcome)
        say("rendering overview.png with Slicer's slice views ...")
        write_scene(folder, scene, pair, nodes)
    say(f"done in {time.perf_counter() - started:.0f} s")
    say(f"look at {options.output / 'overview.png'}, open {options.output / 'scene.mrb'} in Slicer")


@contextmanager
def whole_files(folder: Path):
    """A folder to write to; what is in it goes to ``folder`` at the end, or nothing does.

    Raises:
        InputError: something cannot be written.
    """
    from ISTNRegistrationLib.core.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as temporary:
            yield Path(temporary)
            for file in Path(temporary).iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        raise InputError(
            "Output folder", "it cannot be written to", "a writable place", f"{folder} ({error})"
        ) from error


class ProgressBar:
    """One line on the terminal that fills up; one line per stage where the output is no terminal."""

    WIDTH = 28

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, progress) -> None:
        """Show a Progress of the registration."""
        if progress.stage != self._stage:
            self._stage = progress.stage
            print("" if sys.stdout.isatty() else f"  {progress.stage}", flush=True)
        if sys.stdout.isatty():
            filled = self.WIDTH * progress.iteration // max(1, progress.iterations)
            bar = "#" * filled + "." * (self.WIDTH - filled)
            line = (
                f"\r  {progress.stage:<16} [{bar}] {progress.iteration}/{progress.iterations}  loss {progress.loss:.2e}"
            )
            print(line, end="", flush=True)


def affine_stage(stages):
    """The last stage whose transform is linear."""
    return [stage for stage in stages if stage.transform.residual is None][-1]


def print_table(outcome) -> None:
    """Print the stages and the light; agreement is the Dice of thresholded M' under the transform and F'."""
    from ISTNRegistrationLib.core.quality import table_text

    print("\n\n" + textwrap.indent(table_text(outcome.quality), "  ") + "\n", flush=True)
    for text in (*outcome.warnings, f"{outcome.verdict.light}: {outcome.verdict.reason}"):
        say(text)


def write_files(folder: Path, outcome) -> None:
    """Write what other programs read: transforms, warped moving volume, heatmaps, report."""
    from ISTNRegistrationLib.data.images import write_image
    from ISTNRegistrationLib.data.report import write_report
    from ISTNRegistrationLib.data.transforms import write_transform

    result = outcome.result
    write_transform(folder / "affine.h5", affine_stage(result.stages).transform)
    write_transform(folder / "bspline.h5", result.transform)
    write_image(folder / "moving-warped.nii.gz", outcome.warped())
    for name, maps in (
        ("fixed", result.fixed_map),
        ("moving", result.moving_map),
        ("moving-warped", result.warped_map),
    ):
        write_image(folder / f"heatmap-{name}.nii.gz", maps.strongest)
    write_report(folder / "report.json", outcome.report())


def write_scene(folder: Path, scene, pair, nodes) -> None:
    """Render the picture, put everything on display and save the scene."""
    from headless.application import writeScene
    from ISTNRegistrationLib.bridge.transforms import setRegistrationReferences, transformNodeFor

    from pictures.overview import Scenery, drawOverview, presentScene

    stages, name = nodes.result.stages, nodes.transform.GetName()
    affine, initial = affine_stage(stages), stages[0]
    affineNode = transformNodeFor(scene, affine.transform, f"{name} affine")
    setRegistrationReferences(affineNode, *pair)
    nodes.transform.SetName(f"{name} B-spline")
    initialNode = transformNodeFor(scene, initial.transform, f"{name} initial")
    shown = [
        ("Before", initial, initialNode),
        ("Affine", affine, affineNode),
        ("B-spline", stages[-1], nodes.transform),
    ]
    scenery = Scenery(scene, *pair, nodes, tuple(shown))
    drawOverview(scenery, f"{pair[1].GetName()} registered to {pair[0].GetName()}", folder / "overview.png")
    presentScene(scenery)
    writeScene(scene, folder / "scene.mrb")


def say(text: str) -> None:
    """Print one line at once."""
    print(f"[demo] {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py demo", description=__doc__.split("\n")[0])
    parser.add_argument("--fixed", type=Path, default=SAMPLE / "mni152.nii.gz", help="fixed image (default: MNI152)")
    parser.add_argument(
        "--moving", type=Path, default=SAMPLE / "colin27.nii.gz", help="moving image (default: Colin27)"
    )
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the results")
    parser.add_argument("--checkpoint", default="brain", help="shipped name or path of a checkpoint")
    return parser


if __name__ == "__main__":
    sys.exit(main())
