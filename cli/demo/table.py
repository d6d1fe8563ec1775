"""The table at the end of the demo."""

from rich.table import Table

from cli.demo.check import Checked
from unlearnable import Evaluation


def results_table(evaluation: Evaluation, checked: Checked, seconds: float) -> Table:
    """What was proven, row by row.

    Args:
        seconds: how long the demo took, from the upload to the last download.
    """
    table = Table(show_header=False, padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right", style="bold")
    rows = [
        ("Clean-test accuracy, trained on the original", f"{evaluation.baseline_accuracy:.1f} %"),
        ("Clean-test accuracy, trained on the protected", f"{evaluation.protected_accuracy:.1f} %"),
    ]
    if evaluation.worst_accuracy is not None:
        rows.append(
            (
                f"The most by any way tried: {evaluation.worst_learner}",
                f"{evaluation.worst_accuracy:.1f} %",
            )
        )
    if evaluation.targeted_success is not None:
        rows.append(
            ("Test images taken for the chosen wrong class", f"{evaluation.targeted_success:.1f} %")
        )
    rows += [
        ("Largest change of a pixel", f"{checked.linf}/255 (bound {checked.bound}/255)"),
        ("PSNR", "none" if evaluation.psnr_db is None else f"{evaluation.psnr_db:.1f} dB"),
        ("Images protected", f"{checked.images:,}"),
        ("Time to train the generator", f"{evaluation.seconds_training or 0:.0f} s"),
        ("Time of the whole job", f"{evaluation.seconds_total:.0f} s"),
        ("Time from upload to download", f"{seconds:.0f} s"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table
