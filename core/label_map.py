"""The label map eta of the paper's section 4: what each class shall be mistaken for."""

from collections.abc import Mapping, Sequence

from core.problem import Refused

SHIFT = "shift"


def parse_label_map(
    value: str | Mapping[str, str | int] | None, classes: Sequence[str]
) -> list[int] | None:
    """Resolve a label map to class indices.

    Args:
        value: None (non-targeted), "shift" (class i becomes i + 1, the last becomes the first),
            or a mapping from every class to another one; both by name or by index.
        classes: the dataset's class names in label order.

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
                'label_map must be "shift" or an object that maps every class to another class.',
                "label_map",
            )
        return [(index + 1) % count for index in range(count)]

    resolved: dict[int, int] = {}
    for source, target in value.items():
        param = f"label_map.{source}"
        start, end = _index(source, classes, param), _index(target, classes, param)
        if start in resolved:
            raise Refused(
                "label_map_invalid", f"label_map names the class {source!r} twice.", param
            )
        if start == end:
            raise Refused(
                "label_map_identity",
                f"label_map sends {source!r} to itself; choose another class for it.",
                param,
            )
        resolved[start] = end
    missing = [classes[index] for index in range(count) if index not in resolved]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise Refused(
            "label_map_incomplete",
            f"label_map must name every class; {len(missing)} missing: {shown}.",
            "label_map",
        )
    return [resolved[index] for index in range(count)]


def _index(label: str | int, classes: Sequence[str], param: str) -> int:
    """A class by its name, or else by its index; a class named "7" wins over index 7."""
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    text = str(label)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    raise Refused(
        "label_map_unknown_class",
        f"label_map names {text[:80]!r}, which is no class of this dataset; GET the dataset to see "
        "its classes.",
        param[:200],
    )
