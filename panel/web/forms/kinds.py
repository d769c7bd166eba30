"""The kinds of values an estate file may hold, checked in forms by the same rules."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError
from wtforms import Field, Form
from wtforms.validators import NumberRange, StopValidation
from wtforms.validators import ValidationError as Wrong


class OfKind:
    """A validator: the field holds what `kind` (a type of `panel.services.estate_kinds`) takes, and gets its cleaned form."""

    def __init__(self, kind: Any) -> None:
        self.adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def __call__(self, _form: Form, field: Field) -> None:
        """Cleans `field.data`. Raises `StopValidation` with a sentence."""
        try:
            field.data = self.adapter.validate_python(field.data or "")
        except ValidationError as error:
            message = str(error.errors()[0]["msg"])
            raise StopValidation(f"It {message}.") from None


class Between(NumberRange):
    """A number in a range; one sentence for all that may be wrong with it."""

    def __call__(self, form: Form, field: Field) -> None:
        """Raises `StopValidation`."""
        try:
            super().__call__(form, field)
        except Wrong as error:
            field.errors = []
            raise StopValidation(str(error)) from None
