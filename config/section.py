"""What every part of a configuration file is made of."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A group of fields: unknown ones are refused, types are not bent, nothing changes later.

    A key with nothing after it counts as not given, so that a section whose lines are all
    commented out is no fault; where null is a value of its own, it stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nothing(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None or cls._takes(key)}

    @classmethod
    def _takes(cls, key: object) -> bool:
        """Tell whether null is to be kept: the field allows it, or there is no such field."""
        fields = {field.validation_alias or name: field for name, field in cls.model_fields.items()}
        field = fields.get(key) if isinstance(key, str) else None
        return field is None or type(None) in get_args(field.annotation)
