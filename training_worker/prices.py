"""The list of graphics cards and prices: `prices.yaml` beside this module, or a list of the user's own.

Here: the closed form of the list. Not here: what a run costs (`estimate`), looking prices up anywhere: no socket is opened.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from datasigil.errors import DatasigilError
from datasigil.limits import GIB
from training_worker.cost import Card
from training_worker.limits import RECIPE_MAX_BYTES
from training_worker.strict_yaml import parse_yaml

Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=False
    )


class PricedCard(_Strict):
    """One card: its data sheet, and one price with its source and day."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    memory_gib: Positive = Field(alias="memoryGiB", description="as the driver reports it")
    peak_tflops: Positive = Field(description="dense bf16")
    bandwidth_gbs: Positive = Field(alias="bandwidthGBs")
    reach: Annotated[float, Field(gt=0, le=1)]
    usd_per_hour: Annotated[float, Field(ge=0)]
    seller: str
    source: Annotated[str, Field(pattern=r"^https://")]
    read: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    through: str | None = None

    @property
    def card(self) -> Card:
        """What the formulae need."""
        return Card(self.peak_tflops * 1e12, self.reach, self.bandwidth_gbs * 1e9)

    @property
    def memory_bytes(self) -> float:
        """Memory of the card."""
        return self.memory_gib * GIB


class Prices(_Strict):
    """The whole list."""

    type: Literal["GpuPrices"]
    format_version: Literal[1]
    cards: Annotated[tuple[PricedCard, ...], Field(min_length=1, max_length=200)]

    def named(self, name: str) -> PricedCard:
        """Return one card.

        Raises:
            DatasigilError: GPU, naming those that are known.
        """
        for card in self.cards:
            if card.name == name:
                return card
        raise DatasigilError(
            "GPU",
            "the list of prices does not have this card",
            place="budget.gpu",
            expected="one of " + ", ".join(card.name for card in self.cards),
            found=name[:60],
            next_action="take one of these, or name a list of your own with --prices",
        )


def read_prices(path: Path | None = None) -> Prices:
    """Read a list of prices, by default the one that comes with the worker.

    Raises:
        DatasigilError: PRICES, UNREADABLE, or the YAML reader's codes.
    """
    place = str(path) if path else "prices.yaml"
    try:
        source = path or resources.files("training_worker").joinpath("prices.yaml")
        with source.open("rb") as file:
            data = file.read(RECIPE_MAX_BYTES + 1)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", "the list of prices cannot be read", place=place, found=error.strerror or ""
        ) from None
    value = parse_yaml(data, place=place)
    cards = value.get("cards")
    try:
        return Prices.model_validate(value | {"cards": tuple(cards)} if isinstance(cards, list) else value)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(step) for step in problem["loc"])
        raise DatasigilError(
            "PRICES", "not a list of prices", place=f"{place}: {where}", expected=problem["msg"]
        ) from None


__all__ = ["PricedCard", "Prices", "read_prices"]
