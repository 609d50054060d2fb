"""The words around the tables of docs/table1.md and docs/comparisons.md."""

HEAD = """# Table 1 of the paper, on three data sets

What holds, refined Dice (the tables below have all of it, with deviations):

1. One-pass ISTN-e is above one-pass STN-u and STN-s on every data set, for both transforms: the paper's main claim.
2. Refined ISTN-e is above refined STN-u and STN-s everywhere but for B-splines on brain (undecided).
3. Refinement helps every method, but for ISTN-i with B-splines.
4. STN-u and STN-s meet after refinement.
5. The paper has ISTN-e and ISTN-i alike: **not here**, ISTN-e is 0.02 to 0.07 better.
6. Toy, affine, the published score: ISTN-e 0.972 (published code 0.969), ISTN-i 0.944 (published code 0.968).
   ISTN-i with the published networks and schedule: 0.970 ([published.md](published.md); not in these tables).
7. Hippocampus, short training: ISTN-e 0.769 affine, 0.807 B-spline; the shipped checkpoint 0.777, 0.822 and, dense,
   0.828. The best other tool is Greedy with 0.785, in crops with zeros around them (without: 0.736).
8. Brain, coarse and short training: ISTN-e 0.727 affine (above all peers), 0.773 B-spline (below Greedy, 0.820).
9. Brain, the shipped checkpoint: 0.741 affine (above all peers), 0.802 B-spline (as ConvexAdam, below Greedy), 0.832
   dense (above all, above Greedy in 27 of 28 pairs).
10. True structures registered (SoI) end at 0.913 on hippocampus, 0.853 on brain: what is missing is in the maps.

Written by `python scripts/paper/table1_report.py`; the models are trained by `scripts/paper/experiments.py`, the
pairs measured by `scripts/paper/table1.py` (per-pair numbers: `docs/results_*_pairs.csv`). One seed. All four methods
of a data set share one configuration file, budget and refinement (`theta`, 50 iterations a stage); a B-spline starts
from the affine answer. *Id*: images centered. *SoI*: our refinement on the true structure maps, the best case of this
optimizer. STN-u and STN-s refine on the images (bending weight 0.3, see scripts/paper/methods.py). SimpleITK, ANTs
(affine, SyN) and Greedy (affine, deformable) stand in the refined rows; settings in scripts/paper/peers*.py, chosen
on a few develop-val pairs. ANTs, Greedy, ConvexAdam and FireANTs got hippocampus crops with 10 voxels of zeros around
them; SimpleITK's rows and those of the toy are older and have none. *ASD* is the true symmetric average surface
distance. *Average Hausdorff* is what the published code calls ASD: ITK's average Hausdorff distance over filled
masks. *Folded*: voxels around the structures with a Jacobian determinant of 0 or less (ANTs' and Greedy's fields were
not read). *undecided*: less than two standard errors. Mean ± standard deviation over the pairs, which share scans;
*s*: median seconds a pair, one thread of a machine of 2 cores (AVX2, no GPU) that other jobs kept busy: not a
benchmark."""

DATASETS = {
    "synth2d": """## synth2d: the paper's toy

The 10 official test pairs, 128 x 128 px. *Dice*, *ASD* (px): the warped grey structure at half the fixed maximum.
*Whole*: its support (above 0.5 of 255), as the published code scores it. The weights are those of the last step: the
published validation list is the test list. The published code on the same pairs (our own runs; support,
refined): affine STN-u 0.909, STN-s 0.911, ISTN-e 0.969, ISTN-i 0.968, best case 0.975; its B-spline collapsed
(ISTN-i 0.714).""",
    "hippocampus": """## hippocampus

Medical Segmentation Decathlon, `develop-test`: 50 ordered pairs of different people drawn with a fixed seed from 33
scans of 25 people, 1 mm. *Dice*, *ASD*: mean of head and body with tail; *whole*: both as one mask. The published
code on other pairs and crops of the same data (our own runs; whole, refined): affine ISTN-e 0.724, ISTN-i
0.649, best case 0.834; B-spline ISTN-e 0.706, best case 0.902; ANTs SyN 0.762, deformable Greedy 0.808.""",
    "brain": """## brain

MICCAI 2012 brains, `develop-test`: 28 ordered pairs of different people. Trained with
Resources/Configs/brain-quick.toml (2.5 mm, 1200 steps), so these are not the shipped checkpoint's numbers, which are
in [results.md](results.md) (0.741 affine, 0.801 B-spline, refined) and below. *Dice*, *ASD*: mean of 15 structures;
*whole*: all as one mask. All tools but SimpleITK see the middle 14 cm of the brain; ANTs (five minutes a pair here)
and FireANTs (a minute of the processor) have only as many pairs as column n says. Greedy's and, on its pairs, ANTs'
deformations beat every network of these short trainings.""",
}

SHIPPED = """### The shipped checkpoint beside other tools

On the same pairs, one thread. *CPU s*: the median of processor seconds from start to answer, reading and loading left
out; of ours for each transform type by itself, refined, the search for the start included. Ours, Greedy, ConvexAdam
and, on hippocampus, FireANTs took turns within each pair; ANTs on hippocampus and FireANTs on brain ran by
themselves; SimpleITK's and, on brain, ANTs' rows are older and in wall seconds of a busy machine."""

TAIL = """## Credits

synth2d: Lee et al., MICCAI 2019 (Apache-2.0). Hippocampus: Medical Segmentation Decathlon, Antonelli et al., Nature
Communications 2022 (CC BY-SA 4.0). Brain: MRI scans originate from the OASIS project; labels provided by
Neuromorphometrics, Inc. (http://Neuromorphometrics.com/) under academic subscription.
"""

COMPARISONS = """# Data efficiency and corrupted structures

Written by `python scripts/paper/table1_report.py` from `docs/results_comparisons_pairs.csv`
(`scripts/paper/comparisons.py`).
Mean Dice ± standard deviation over the first test pairs of [table1.md](table1.md): 20 of hippocampus, 14 of brain.
One seed. Brain: Resources/Configs/brain-quick.toml (2.5 mm, 1200 steps). Hippocampus: a coarse grid
(Resources/Configs/hippocampus-coarse.toml: 1.5 mm, 800 steps, minutes each), so that there could be many models. Few
people and many, clean and corrupted, have the same steps.

## Data efficiency (the paper's 100 against 1,000 pairs)

{efficiency}

What few people cost, paired over the test pairs (mean ± SE):

{fewer}

Read: an STN-s in one pass gains nothing from more people here, and refined it is the same to three digits (the
refinement on the images forgets its start); an ISTN-e from 3 or 10 people is within 0.03 of one from all. These sets
are small (all: 12 people of brain, 70 of hippocampus), the steps the same: more people need more steps.

## Corrupted structures (the paper's closing conjecture)

Hippocampus; only the training labels are corrupted (`scripts/paper/corrupted.py`): *eroded* by a voxel, *shifted* by
3 voxels in a random direction for each scan, *missing*: half of the structure in half of the scans.

{corruption}

What corruption costs, paired over the test pairs (mean ± SE):

{losses}

Read: the conjecture, that implicit training holds up better, is borne out for shifted labels only, where random
shifts average out; missing and eroded labels cost ISTN-i more than ISTN-e. In one pass, shifted labels make ISTN-i
the better of the two; refined, ISTN-e ends with the larger Dice in every row.
"""
