"""A tiny study for `istn prepare` and `istn train`: four people and a configuration file."""

from command import subject

CONFIG = """
[model]
method = "{method}"
transforms = ["affine", "bspline"]
channels = [{{ name = "outer", labels = [1, 2] }}, {{ name = "inner", labels = [2] }}]
grid = {{ size = {size}, spacing = {spacing} }}
net = {{ itn_widths = [4, 8], stn_width = 8 }}
bspline = {{ spacing_mm = 8.0, max_displacement_mm = 5.0 }}
[data]
subjects = "subjects.csv"
[training]
steps = {steps}
itn_first_steps = 2
warmup_steps = 2
learning_rate = 5e-3
validate_every = 3
precision = "float32"
[card]
license = "CC0"
"""


def write_study(folder, ndim=2, method="istn-e", steps=6):
    """A configuration file and two people in each split."""
    rows = ["person,image,labels,split"]
    for number, name in enumerate("abcd"):
        image, labels = subject(folder, name, ndim, 2.0 * number)
        rows.append(f"{name},{image.name},{labels.name},{'train' if number < 2 else 'val'}")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")
    values = {"method": method, "size": [16] * ndim, "spacing": [2.0] * ndim, "steps": steps}
    (folder / "config.toml").write_text(CONFIG.format(**values))
    return {"config": folder / "config.toml", "device": "cpu", "threads": 1}
