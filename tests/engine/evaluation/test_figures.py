"""Figures: what is drawn is what was given, in the picture, in the JSON and in words."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from engine.evaluation import figures as f
from engine.evaluation.features import Components

DRAW = np.random.default_rng(0)
SHIFT = (1, 2, 0)


def images(channels: int = 1, height: int = 12, width: int = 10) -> tuple[Any, Any]:
    before = DRAW.integers(20, 230, (3, height, width, channels), dtype=np.uint8)
    return before, (before + DRAW.integers(-8, 9, before.shape)).astype(np.uint8)


def sheet(channels: int = 1, classes: tuple[str, ...] = ()) -> f.SampleSheet:
    return f.SampleSheet("MNIST", *images(channels), np.array([0, 2, 1]), classes)


def components() -> Components:
    labels = np.arange(60) % 3
    points = (DRAW.standard_normal((60, 2)) + 20 * np.eye(3)[labels, :2]).astype(np.float32)
    return Components(points, labels, -points, labels, (61.0, 22.0))


def weights(channels: int) -> f.WeightImages:
    draw = DRAW.standard_normal((2, 3, 8, 8, channels)).astype(np.float32)
    return f.WeightImages(
        "MNIST", (f.WeightRow("clean", draw[0], 91.2), f.WeightRow("protected", draw[1]))
    )


EPSILON = f.EpsilonCurves(
    "MNIST",
    "paper-mnist-cnn",
    (f.Point(0.0, (99.0, 99.2)), f.Point(0.15, (60.0, 80.0)), f.Point(0.3, (1.0, 0.0))),
    11.35,
    controls=(f.Series("random noise", (f.Point(0.15, (98.0,)), f.Point(0.3, (97.0,)))),),
    stated=f.PAPER_MNIST,
    drop_past=f.PAPER_MNIST_DROP,
)
FRACTION = f.FractionCurves(
    "MNIST",
    "paper-mnist-cnn",
    (
        f.Series("epsilon 0.2", (f.Point(0.5, (98.0,)), f.Point(1.0, (30.0,)))),
        f.Series("epsilon 0.3", (f.Point(0.5, (97.0,)), f.Point(1.0, (1.0,)))),
    ),
    11.35,
    random_flips=(f.Point(0.5, (96.0,)), f.Point(1.0, (9.0,))),
    remainder=(f.Point(0.5, (98.5,)),),
)
TRANSFER = f.TransferBars(
    "MNIST",
    "epsilon 0.3",
    (
        f.VictimBars("paper-mnist-cnn", (99.0, 99.2), (1.0, 3.0), seen=True),
        f.VictimBars("random forest", (97.0,), (20.0,)),
    ),
    11.35,
)
LEARNING = f.LearningCurves(
    "MNIST",
    "paper-mnist-cnn",
    (
        f.LearningPanel("trained on clean", {"training images": (95.0, 99.0)}),
        f.LearningPanel(
            "trained on protected",
            {"training images": (97.0, 100.0), "clean test images": (9.0, 1.5)},
        ),
    ),
    11.35,
)
TIME = f.TimeCurves(
    "MNIST",
    "epsilon 0.3",
    (f.Run("seed 0", (10.0, 60.0), (70.0, 8.0)), f.Run("seed 1", (10.0, 60.0), (60.0, 9.0))),
    11.35,
    baseline=99.0,
    goals=(f.Goal(60.0, 10.0),),
)
TARGETED = dataclasses.replace(
    TIME,
    runs=(f.Run("seed 0", (10.0, 60.0), (70.0, 8.0), (5.0, 66.0)),),
    targeted_goals=(f.Goal(60.0, 60.0),),
)
CONFUSIONS = f.ConfusionPanels(
    "MNIST",
    "paper-mnist-cnn",
    (
        f.ConfusionPanel("clean", np.array([[8, 0, 0], [0, 4, 0], [0, 0, 2]])),
        f.ConfusionPanel("label-specific", np.array([[0, 8, 0], [1, 0, 3], [2, 0, 0]]), SHIFT),
    ),
)
COUNTERMEASURES = f.CountermeasureBars(
    "CIFAR-10",
    "epsilon 8/255",
    (
        f.CountermeasureRow("none", (10.0, 12.0), (78.0,), {"random pattern": (22.0,)}),
        f.CountermeasureRow("grayscale", (50.0, 52.0), (76.0,), {"random pattern": (60.0,)}),
        f.CountermeasureRow("blur", (30.0, 31.0)),
    ),
    baseline=78.0,
    chance=10.0,
)

# A figure, what it draws, how many axes it has (colour bars are axes too), words it must say.
ALL: dict[str, tuple[Callable[[Any], f.DescribedFigure], Any, int, str]] = {
    "samples": (f.draw_samples, sheet(), 9, "largest change 8/255"),
    "samples in colour": (f.draw_samples, sheet(3, ("cat", "dog", "hen")), 9, "3 images of"),
    "confusions": (f.draw_confusions, CONFUSIONS, 3, "accuracy 0.0 %, targeted 92.9 %"),
    "epsilon": (f.draw_epsilon, EPSILON, 1, "70.0 ± 14.1 % at 0.15"),
    "fraction": (f.draw_fraction, FRACTION, 1, "remainder only: 98.5 % at 50 %"),
    "transfer": (f.draw_transfer, TRANSFER, 1, "random forest 97.0 % and 20.0 %"),
    "learning": (f.draw_learning_curves, LEARNING, 2, "clean test images ends at 1.5 %"),
    "time": (f.draw_time_to_protection, TIME, 1, "seed 1: 60.0 % after 10 s, 9.0 % after 60 s"),
    "time, targeted": (f.draw_time_to_protection, TARGETED, 2, "66.0 % targeted success"),
    "components": (
        f.draw_components,
        f.ComponentPlanes("MNIST", "cnn", (f.ComponentPlane("trained on clean", components()),)),
        2,
        "of the clean test images lie nearest",
    ),
    "weights": (f.draw_svm_weights, weights(1), 8, "clean: 91.2 %"),
    "weights in colour": (f.draw_svm_weights, weights(3), 6, "linear SVM"),
    "countermeasures": (f.draw_countermeasures, COUNTERMEASURES, 1, "Worst case: grayscale"),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_saved_with_its_data_and_its_words(name, tmp_path):
    draw, data, axes, words = ALL[name]
    figure = draw(data)
    assert len(figure.axes) == axes
    assert words in figure.description
    saved = f.save_figure(figure, data, tmp_path / "epsilon-0.3")
    assert saved.picture == tmp_path / "epsilon-0.3.png"
    with Image.open(saved.picture) as picture:
        assert picture.text["Description"] == figure.description
        drawn = np.asarray(picture.convert("L"))
    assert min(drawn.shape) > 300
    assert 0.01 < (drawn < 200).mean() < 0.9  # neither blank nor filled
    content = json.loads(saved.data.read_text())
    assert content == {
        "figure": type(data).__name__,
        "description": figure.description,
        "data": f.plain(data),
    }
    assert saved.markdown() == f"![{figure.description}](epsilon-0.3.png)"


@pytest.mark.parametrize("name", ALL)
def test_nothing_drawn_is_cut_off_or_overlaps_another_panel(name):
    draw, data, _, _ = ALL[name]
    figure = draw(data)
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    for k, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])


def test_a_long_remark_and_a_wide_legend_find_room():
    long = "protected by a generator that was trained for two minutes on two cores"
    series = tuple(f.Series(f"{long} {k}", (f.Point(1.0, (k + 1.0,)),)) for k in range(2))
    data = dataclasses.replace(FRACTION, dataset=f"MNIST {long}", protected=series)
    figure = f.draw_fraction(data)
    figure.draw_without_rendering()
    for part in (figure.axes[0].get_tightbbox(), figure.legends[0].get_window_extent()):
        assert 0 <= part.x0 < part.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    "figure",
    [
        f.draw_confusions(dataclasses.replace(CONFUSIONS, panels=CONFUSIONS.panels[1:])),
        f.draw_samples(f.SampleSheet("MNIST", *(x[:1] for x in images()), np.array([0]))),
        f.draw_svm_weights(weights(1)),
    ],
    ids=["one matrix", "one sample", "three classes"],
)
def test_the_words_of_a_narrow_figure_are_not_cut_off(figure):
    figure.draw_without_rendering()
    around = figure.get_tightbbox()  # of everything drawn, in inches
    assert around.x0 >= 0
    assert around.y0 >= 0
    assert around.x1 <= figure.get_figwidth()
    assert around.y1 <= figure.get_figheight()


def test_the_picture_can_be_drawn_again_from_the_json(tmp_path):
    saved = f.save_figure(f.draw_transfer(TRANSFER), TRANSFER, tmp_path / "a")
    data = json.loads(saved.data.read_text())["data"]
    rows = tuple(
        f.VictimBars(row["victim"], tuple(row["clean"]), tuple(row["protected"]), seen=row["seen"])
        for row in data.pop("victims")
    )
    again = f.TransferBars(**data, victims=rows)
    assert again == TRANSFER
    f.save_figure(f.draw_transfer(again), again, tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_images_come_back_from_the_json_byte_for_byte(tmp_path):
    data = sheet(3)
    saved = f.save_figure(f.draw_samples(data), data, tmp_path / "samples")
    stored = json.loads(saved.data.read_text())["data"]
    assert np.array_equal(f.unpacked(stored["before"]), data.before)
    assert f.unpacked(stored["after"]).dtype == np.uint8
    assert stored["labels"] == [0, 2, 1]


def test_svg_is_written_as_well(tmp_path):
    saved = f.save_figure(f.draw_epsilon(EPSILON), EPSILON, tmp_path / "epsilon", kind="svg")
    assert saved.picture.name == "epsilon.svg"
    text = saved.picture.read_text()
    assert text.startswith("<?xml")
    assert "70.0 ± 14.1 % at 0.15" in text


def test_pdf_is_the_same_bytes_again(tmp_path):
    first, second = (
        f.save_figure(f.draw_epsilon(EPSILON), EPSILON, tmp_path / name, kind="pdf").picture
        for name in ("once", "twice")
    )
    assert first.read_bytes().startswith(b"%PDF-")
    assert first.read_bytes() == second.read_bytes()


def test_plain_values_only():
    assert f.plain({"a": np.float32(0.5), "b": (float("nan"), np.int64(3)), "c": None}) == {
        "a": 0.5,
        "b": [None, 3],
        "c": None,
    }
    assert f.plain(np.array([0.1, 1 / 3, np.inf], np.float32)) == [0.1, 0.333333, None]
    with pytest.raises(TypeError, match="set has no form in JSON"):
        f.plain({1, 2})


def test_bars_are_as_high_as_the_means_with_their_deviation():
    axes = f.draw_transfer(TRANSFER).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [pytest.approx(v) for v in (99.1, 97.0, 2.0, 20.0)]
    errors = [c for c in axes.containers if type(c).__name__ == "ErrorbarContainer"]
    ends = [line.get_segments()[0][:, 1] for container in errors for line in container.lines[2]]
    assert np.allclose(ends[1], [2.0 - np.sqrt(2), 2.0 + np.sqrt(2)])
    assert len(ends) == 2  # one seed has no deviation: no bar pretends to one
    assert "paper-mnist-\ncnn *" in [label.get_text() for label in axes.get_xticklabels()]


def test_the_curve_goes_through_the_means():
    axes = f.draw_epsilon(EPSILON).axes[0]
    drawn = {container.get_label(): container.lines[0] for container in axes.containers}
    assert drawn["protected"].get_xdata().tolist() == [0.0, 0.15, 0.3]
    assert np.allclose(drawn["protected"].get_ydata(), [99.1, 70.0, 0.5])
    labels = axes.get_legend_handles_labels()[1]
    assert {"random noise", "paper, Table 1", "chance (11.35 %)"} <= set(labels)


def test_small_epsilons_are_named_as_8_bit_steps():
    points = tuple(f.Point(k / 255, (50.0,)) for k in (0, 2, 8))
    axes = f.draw_epsilon(f.EpsilonCurves("CIFAR-10", "cnn", points, 10.0)).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2/255", "8/255"]


def test_confusions_are_shares_of_the_true_class():
    figure = f.draw_confusions(CONFUSIONS)
    shares = figure.axes[1].images[0].get_array()
    assert np.allclose(shares, [[0, 100, 0], [25, 0, 75], [100, 0, 0]])
    frames = [patch for patch in figure.axes[1].patches if patch.get_linewidth() > 1]
    assert [(p.get_x() + 0.5, p.get_y() + 0.5) for p in frames] == [(1, 0), (2, 1), (0, 2)]


def test_the_perturbation_is_stretched_around_mid_grey():
    before = np.full((1, 8, 8, 1), 100, np.uint8)
    after = before.copy()
    after[0, 0, 0], after[0, 0, 1] = 108, 92
    figure = f.draw_samples(f.SampleSheet("MNIST", before, after, np.array([0])))
    noise = figure.axes[1].images[0].get_array()
    assert noise[0, :3].tolist() == [255, 0, 128]


def test_samples_are_the_first_of_each_class():
    before = np.arange(6 * 64, dtype=np.int64).reshape(6, 8, 8, 1).astype(np.uint8)
    labels = np.array([4, 1, 4, 0, 1, 0])
    chosen = f.first_of_each_class("MNIST", before, before, labels, most=2)
    assert chosen.labels.tolist() == [0, 1]
    assert np.array_equal(chosen.before, before[[3, 1]])


def test_a_scatter_plot_is_thinned_evenly():
    whole = components()
    thin = f.thinned(whole, most=7)
    assert thin.training.shape == (7, 2)
    assert np.array_equal(thin.training[[0, -1]], whole.training[[0, -1]])
    assert np.array_equal(thin.test_labels, whole.test_labels[[0, 10, 20, 30, 39, 49, 59]])
    assert f.thinned(whole).test.shape == (60, 2)


def test_many_classes_fit():
    """A hundred classes: no numbers in the cells, and names that do not collide."""
    names = tuple(f"class {k}" for k in range(100))
    panel = f.ConfusionPanel("clean", np.eye(100, dtype=np.int64), tuple(np.roll(range(100), 1)))
    figure = f.draw_confusions(f.ConfusionPanels("CIFAR-100", "resnet18", (panel,), names))
    assert not figure.axes[0].texts
    assert len(figure.axes[0].get_xticks()) == 20


@pytest.mark.parametrize(
    ("draw", "data", "message"),
    [
        (f.draw_samples, dataclasses.replace(sheet(), after=images(3)[1]), "not the same images"),
        (f.draw_samples, dataclasses.replace(sheet(), labels=np.array([0])), "1 labels for 3"),
        (f.draw_confusions, dataclasses.replace(CONFUSIONS, classes=("a",)), "1 class names"),
        (f.draw_confusions, dataclasses.replace(CONFUSIONS, panels=()), "square matrices"),
        (f.draw_epsilon, dataclasses.replace(EPSILON, protected=()), "at least one epsilon"),
        (
            f.draw_epsilon,
            dataclasses.replace(EPSILON, protected=(f.Point(0.1, ()),)),
            "at least one value",
        ),
        (f.draw_fraction, dataclasses.replace(FRACTION, protected=()), "at least one line"),
        (f.draw_transfer, dataclasses.replace(TRANSFER, victims=()), "at least one victim"),
        (f.draw_learning_curves, dataclasses.replace(LEARNING, panels=()), "at least one panel"),
        (f.draw_time_to_protection, dataclasses.replace(TIME, runs=()), "at least one run"),
        (
            f.draw_time_to_protection,
            dataclasses.replace(TIME, runs=(f.Run("seed 0", (1.0, 2.0), (9.0,)),)),
            "as many accuracies as seconds",
        ),
        (f.draw_components, f.ComponentPlanes("MNIST", "cnn", ()), "at least one plane"),
        (f.draw_svm_weights, f.WeightImages("MNIST", ()), "of one shape"),
        (
            f.draw_countermeasures,
            dataclasses.replace(COUNTERMEASURES, rows=()),
            "at least one counter-measure",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, data, message):
    with pytest.raises(ValueError, match=message):
        draw(data)


def test_the_settings_of_matplotlib_stay_as_they_were(tmp_path):
    before = dict(mpl.rcParams)
    f.save_figure(f.draw_epsilon(EPSILON), EPSILON, tmp_path / "a")
    assert dict(mpl.rcParams) == before


def test_no_window_system_is_touched():
    """pyplot keeps figures alive and looks for a display: a worker has none."""
    code = "import sys, engine.evaluation.figures; print('matplotlib.pyplot' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"
