"""A few of the files that `benchmarks.hostile` sends, through a whole stack."""

from benchmarks.hostile import measure

FEW = ["empty_file", "overlapping_by_quotation", "animated_webp", "object_images"]


def test_bad_uploads_are_refused_by_name_and_leave_nothing() -> None:
    figures = measure(FEW)
    assert figures.pop("seconds") > 0
    assert figures.pop("peak_rss_mb") > 0
    assert figures == {
        "files": len(FEW),
        "rejected": len(FEW),
        "accepted": 0,
        "misnamed": 0,
        "server_errors": 0,
        "leftovers": 0,
    }
