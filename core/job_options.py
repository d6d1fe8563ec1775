"""How a job shall be done, as owners write it and as it is stored beside the job.

Every field has a default, which is what a job gets that does not ask for anything else. What can be
checked without the data is checked here.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    model_validator,
)
from pydantic.config import JsonDict

from core.choices import (
    Augmentation,
    Classical,
    Conditioning,
    Control,
    Countermeasure,
    Generator,
    Network,
    Recipe,
    Untargeted,
)
from core.whole import WHOLE, Whole

Seed = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1), WHOLE]
# PostgreSQL stores every character but this one.
_NO_NUL = r"^[^\x00]*$"
MetadataKey = Annotated[str, Field(strict=True, min_length=1, max_length=64, pattern=_NO_NUL)]
MetadataValue = Annotated[str, Field(strict=True, max_length=512, pattern=_NO_NUL)]
# A length also makes pydantic look into the text, where half a surrogate pair may be.
ClassName = Annotated[StrictStr, Field(max_length=1024)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def one_of(*ways: dict[str, str]) -> JsonDict:
    """What a model checks after its fields, for its JSON schema.

    Args:
        ways: of each the type of every field that counts; of type null, it may be left out.
    """
    return {
        "oneOf": [
            {
                "required": [name for name, kind in way.items() if kind != "null"],
                "properties": {name: {"type": kind} for name, kind in way.items()},
            }
            for way in ways
        ]
    }


class ProtectedFraction(_Wish):
    """Which images are protected; the others are published as they are."""

    model_config = ConfigDict(
        json_schema_extra=one_of(
            {"fraction": "number", "classes": "null"}, {"classes": "array", "fraction": "null"}
        )
    )

    fraction: Annotated[float, Field(strict=True, gt=0, le=1)] | None = Field(
        default=None, description="Share of the images. Left out if `classes` says which."
    )
    by: Literal["random", "class"] = Field(
        default="random",
        description="`random`: each image as likely as any other. `class`: whole classes, until "
        "the share is as near as it gets. The job's seed decides which.",
    )
    classes: list[ClassName | Whole] | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="Exactly these classes, by name or by index, and no `fraction`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.fraction is None) == (self.classes is None):
            raise ValueError("give either fraction or classes")
        return self


class EvaluationVictim(_Wish):
    """A classifier to be trained from scratch, and how."""

    victim: Network | Classical = Field(description="Which classifier.")
    epochs: Annotated[int, Field(strict=True, ge=1, le=200), WHOLE] | None = Field(
        default=None, description="Passes over the images. Null: fitted to their number."
    )
    augmentation: Augmentation = Field(
        default="none", description="What is done to images while it learns."
    )


def _by_name(victim: object) -> object:
    return {"victim": victim} if isinstance(victim, str) else victim


Victim = Annotated[
    EvaluationVictim,
    BeforeValidator(_by_name, json_schema_input_type=Network | Classical | EvaluationVictim),
]


_EACH_ONCE: JsonDict = {"uniqueItems": True}


class EvaluationOptions(_Wish):
    """What is tried to learn from the protected images, and from the clean ones beside."""

    victims: list[Victim] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        json_schema_extra=_EACH_ONCE,
        description="Classifiers, by name or with their training; the first one gives the plain "
        "headline. Null: one that fits the images.",
    )
    seeds: list[Seed] = Field(
        default=[0],
        min_length=1,
        max_length=10,
        json_schema_extra=_EACH_ONCE,
        description="Every training is done once with each.",
    )
    # Without any, the headline would be that of a learner who does nothing; these cost no more than
    # a plain training each, and each has undone some method of protection.
    countermeasures: list[Countermeasure] = Field(
        default=["jpeg-50", "grayscale", "class-mean-subtraction"],
        max_length=20,
        json_schema_extra=_EACH_ONCE,
        description="What a learner would try against the protection. Those that mean nothing for "
        "the images are left out, and the evaluation says so. With an empty list nothing is tried.",
    )
    countermeasure_victims: Annotated[int, Field(strict=True, ge=1, le=8), WHOLE] = Field(
        default=1, description="How many of the victims, from the first, try counter-measures."
    )
    controls: list[Control] = Field(
        default=[],
        max_length=2,
        json_schema_extra=_EACH_ONCE,
        description="Perturbations of the same bound that cost nothing, for comparison.",
    )
    clean_under_countermeasures: bool = Field(
        default=False, description="Train on the clean images with every counter-measure too."
    )
    controls_under_countermeasures: bool = Field(
        default=False, description="Train on the controls with every counter-measure too."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("victims", "seeds", "countermeasures", "controls"):
            values = getattr(self, name) or []
            if len({repr(value) for value in values}) < len(values):
                raise ValueError(f"{name} names something twice")
        return self


class JobOptions(_Wish):
    """How a dataset is protected and what is measured then."""

    untargeted: Untargeted | None = Field(
        default=None,
        description="With a label map: what becomes of classes that it leaves out or sends to "
        "themselves. `confuse`: they shall be mistaken for anything but themselves. `leave`: they "
        "stay learnable. Null: the map must send every class to another.",
    )
    recipe: Recipe = Field(
        default="auto",
        description="How the generator is trained. `fast` leaves least to a learner who just "
        "trains, `robust` least to one who tries counter-measures; `auto` is `robust` for small "
        "gray images and `fast` for others. The paper's decide everything but the length: "
        "for the paper's own, give `training_steps` worth 500 passes over the images.",
    )
    training_steps: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = Field(
        default=None,
        description="Train for so many steps, however long they take, instead of for a budget: "
        "the same job then gives the same bytes on the same machine.",
    )
    conditioning: Conditioning | None = Field(
        default=None,
        description="`label`: the generator is told each image's class, which protects sooner. "
        "`none`: it needs no labels later. Null: the recipe's.",
    )
    generator: Generator | None = Field(
        default=None, description="The generator's architecture. Null: the recipe's."
    )
    victims: list[Network] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Imaginary victims that the generator is trained against, in turns. Null: the "
        "recipe's.",
    )
    protected_fraction: ProtectedFraction | None = Field(
        default=None, description="Protect only a part. Null: every image."
    )
    evaluation: EvaluationOptions = Field(
        default=EvaluationOptions(), description="What is measured afterwards."
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] = Field(
        default={}, description="Your own notes: up to 16 names with texts, returned as they are."
    )

    @property
    def trains(self) -> bool:
        """Whether the owner asks for what only a generator that learns has."""
        return bool(self.victims or self.generator)
