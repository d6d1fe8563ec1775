"""The label map eta of the paper's section 4: what each class shall be mistaken for."""

from collections.abc import Iterator, Mapping, Sequence

from core.problem import Refused

SHIFT = "shift"


LabelMap = str | Mapping[str, str | int] | Sequence[str | int]


def parse_label_map(
    value: LabelMap | None, classes: Sequence[str], *, partial: bool = False
) -> list[int] | None:
    """Resolve a label map to class indices.

    Args:
        value: None (non-targeted), "shift" (class i becomes i + 1, the last becomes the first),
            a list with the class that each class becomes, in label order, or a mapping from class
            to class; all by name or by index.
        classes: the dataset's class names in label order.
        partial: whether classes may map to themselves; those that a mapping leaves out then do.

    Returns:
        For each class index the index it maps to, or None.

    Raises:
        Refused: `label_map_unknown_class`, `label_map_identity`, `label_map_incomplete` or
            `label_map_invalid`; the param names the entry.
    """
    if value is None:
        return None
    count = len(classes)
    if isinstance(value, str):
        if value != SHIFT:
            raise Refused(
                "label_map_invalid",
                'label_map must be "shift", a list, or an object that maps classes to classes.',
                "label_map",
            )
        return [(index + 1) % count for index in range(count)]
    resolved: dict[int, int] = {}
    for start, target, param in _pairs(value, classes):
        end = _index(target, classes, param)
        if start in resolved:
            raise Refused(
                "label_map_invalid", f"label_map names the class {classes[start]!r} twice.", param
            )
        if start == end and not partial:
            raise Refused(
                "label_map_identity",
                f"label_map sends {classes[start]!r} to itself; choose another class for it, or "
                "say with untargeted what becomes of it.",
                param,
            )
        resolved[start] = end
    if partial:
        resolved = {index: index for index in range(count)} | resolved
        if all(start == end for start, end in resolved.items()):
            raise Refused(
                "label_map_identity",
                "label_map sends no class to another; choose one for a class at least.",
                "label_map",
            )
    missing = [classes[index] for index in range(count) if index not in resolved]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise Refused(
            "label_map_incomplete",
            f"label_map must name every class; {len(missing)} missing: {shown}. Or say with "
            "untargeted what becomes of them.",
            "label_map",
        )
    return [resolved[index] for index in range(count)]


def _pairs(
    value: Mapping[str, str | int] | Sequence[str | int], classes: Sequence[str]
) -> Iterator[tuple[int, str | int, str]]:
    """Class, the class it shall be mistaken for, and the name of that entry."""
    if isinstance(value, Mapping):
        for source, target in value.items():
            param = f"label_map.{source}"
            yield _index(source, classes, param), target, param
        return
    if len(value) != len(classes):
        raise Refused(
            "label_map_incomplete",
            f"label_map has {len(value)} entries for {len(classes)} classes; give one for each.",
            "label_map",
        )
    for index, target in enumerate(value):
        yield index, target, f"label_map.{index}"


def class_index(label: str | int, classes: Sequence[str]) -> int | None:
    """A class by its name, or else by its index; None if there is none.

    A class named "7" wins over index 7.
    """
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    text = str(label)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    return None


def _index(label: str | int, classes: Sequence[str], param: str) -> int:
    index = class_index(label, classes)
    if index is None:
        raise Refused(
            "label_map_unknown_class",
            f"label_map names {str(label)[:80]!r}, which is no class of this dataset; GET the "
            "dataset to see its classes.",
            param[:200],
        )
    return index
