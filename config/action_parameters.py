"""What a parameter of an action may be."""

import math
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.action_templates import BUILT_IN, NAME
from config.quoting import kind_of, quoted
from config.section import Section

Scalar = str | int | float | bool

_ANY_SEQUENCE: Final = Field(strict=False)
_MOST_NUMBER: Final = 1e15
_MOST_LINE: Final = 500


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"must be 1 to 63 letters, digits and underscores, got {quoted(name)}")
    if name in BUILT_IN:
        raise ValueError(f"must not be one of {', '.join(BUILT_IN)}: they are filled in by Opslore")
    return name


def _check_line(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _MOST_LINE:
        raise ValueError(f"must be 1 to {_MOST_LINE} printable characters on one line")
    return text


def _check_scalar(value: Any) -> Any:
    if not isinstance(value, Scalar):
        raise ValueError(f"must be text, a number, true or false, got {kind_of(value)}")
    return value


ParameterName = Annotated[str, AfterValidator(_check_name)]
Line = Annotated[str, AfterValidator(_check_line)]
_AnyScalar = Annotated[Any, AfterValidator(_check_scalar)]


class ParameterSpec(Section):
    """A value that a rule or a person gives with an action. One with a default may be left out."""

    type: Literal["text", "integer", "number", "boolean"]
    required: bool = True
    default: _AnyScalar | None = None
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    choices: Annotated[tuple[_AnyScalar, ...], _ANY_SEQUENCE] = ()
    max_length: int = Field(default=200, ge=1, le=10_000)
    description: Line | None = None

    @property
    def needed(self) -> bool:
        """Whether it must be given."""
        return self.required and self.default is None

    def read(self, value: object) -> Scalar:
        """Return the value as this parameter's type; 3.0 is the integer 3.

        Raises:
            ValueError: it is another type or beyond a limit; the message does not repeat it.
        """
        read = self._typed(value)
        if isinstance(read, str):
            _check_text(read, self.max_length)
        elif not isinstance(read, bool):
            self._check_limits(read)
        if self.choices and read not in self.choices:
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}")
        return read

    def _typed(self, value: object) -> Scalar:
        match self.type, value:
            case "text", str(text):
                return text
            case "boolean", bool(flag):
                return flag
            case "integer" | "number", bool():
                pass
            case "integer", int(number) | float(number) if _is_whole(number):
                return int(number)
            case "number", int(number) | float(number) if math.isfinite(number):
                return number
        wanted = {"text": "text", "integer": "a whole number", "number": "a number"}
        raise ValueError(f"must be {wanted.get(self.type, 'true or false')}, got {kind_of(value)}")

    def _check_limits(self, value: float) -> None:
        if abs(value) > _MOST_NUMBER:
            raise ValueError("must be at most 15 digits")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"must be at least {self.minimum:.15g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be at most {self.maximum:.15g}")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse limits that leave nothing, or that are none of this type."""
        least, most = self.minimum, self.maximum
        if self.type in {"text", "boolean"} and (least is not None or most is not None):
            raise ValueError("must be an integer or a number to have a minimum or maximum")
        if least is not None and most is not None and least > most:
            raise ValueError(f"must have a minimum of at most its maximum {most:.15g}")
        for field, values in (("choices", self.choices), ("default", (self.default,))):
            for value in values:
                self._check_own(field, value)
        return self

    def _check_own(self, field: str, value: Any) -> None:
        if value is None:
            return
        try:
            self.read(value)
        except ValueError as error:
            raise ValueError(f"must have {field} that it takes itself: {error}") from None


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


def _check_text(text: str, max_length: int) -> None:
    if len(text) > max_length:
        raise ValueError(f"must be at most {max_length:,} characters, got {len(text):,}")
    if any(not char.isprintable() and char not in "\n\t" for char in text):
        raise ValueError("must not hold control characters")
