"""What a job asks for, held against its dataset and this server's limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from core.epsilon import parse_epsilon
from core.job_options import JobOptions, ProtectedFraction
from core.label_map import class_index, parse_label_map
from core.settings import Settings
from service.jobs import problems
from service.jobs.deadline import moment_of
from service.jobs.schemas import JobRequest


@dataclass(frozen=True)
class Checked:
    """What a job is stored with: classes are indices, the budget is a number."""

    epsilon: Fraction
    label_map: list[int] | None
    budget_seconds: int
    options: JobOptions
    deadline_at: datetime | None


def check(asked: JobRequest, classes: Sequence[str], settings: Settings) -> Checked:
    """Resolve a request.

    Args:
        asked: what the owner wrote.
        classes: the dataset's class names in label order.
        settings: the server's limits.

    Raises:
        Refused: epsilon, label map, length of training, protected classes or deadline cannot be
            used.
    """
    epsilon = parse_epsilon(asked.epsilon)
    if asked.training_steps is not None and asked.budget_seconds is not None:
        raise problems.training_length_ambiguous()
    if (asked.training_steps or 0) > settings.max_training_steps:
        raise problems.training_steps_out_of_range(settings.max_training_steps)
    budget = asked.budget_seconds or settings.default_budget_seconds
    if budget > settings.max_budget_seconds:
        raise problems.budget_out_of_range(settings.max_budget_seconds)
    if asked.untargeted is not None and asked.label_map is None:
        raise problems.untargeted_without_label_map()
    partial = asked.untargeted is not None
    label_map = parse_label_map(asked.label_map, classes, partial=partial)
    wishes = {name: getattr(asked, name) for name in JobOptions.model_fields}
    wishes["protected_fraction"] = resolved_fraction(asked.protected_fraction, classes)
    return Checked(epsilon, label_map, budget, JobOptions(**wishes), moment_of(asked.deadline))


def resolved_fraction(
    asked: ProtectedFraction | None, classes: Sequence[str]
) -> ProtectedFraction | None:
    """The same with classes as indices.

    Raises:
        Refused: `class_unknown`.
    """
    if asked is None or asked.classes is None:
        return asked
    chosen: set[int] = set()
    for position, name in enumerate(asked.classes):
        index = class_index(name, classes)
        if index is None:
            raise problems.class_unknown(name, position)
        chosen.add(index)
    return ProtectedFraction(classes=sorted(chosen))
