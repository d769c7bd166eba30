"""The kinds of values an estate file may hold, checked in forms by the same rules."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError
from wtforms import DateField, Field, Form, SelectField
from wtforms.validators import NumberRange, StopValidation
from wtforms.validators import ValidationError as Wrong


class OfKind:
    """A validator: the field holds what `kind` (a type of `panel.services.estate.kinds`) takes, and gets its cleaned form."""

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
        except (Wrong, OverflowError):
            # wtforms turns whatever it compares into a float, which hundreds of digits do not fit.
            field.errors = []
            raise StopValidation(str(self.message)) from None


class AtMost:
    """A validator: a text of so many characters at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.field_flags = {"maxlength": most}

    def __call__(self, _form: Form, field: Field) -> None:
        """Raises `StopValidation`."""
        if len(field.data or "") > self.most:
            raise StopValidation(f"It may have {self.most} characters at most, and has {len(field.data)}.")


class PasswordLength(AtMost):
    """A validator: a password that is neither too short nor too long."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(most)
        self.least = least
        self.field_flags["minlength"] = least

    def __call__(self, form: Form, field: Field) -> None:
        """Raises `StopValidation`."""
        if len(field.data or "") < self.least:
            raise StopValidation(f"The password needs at least {self.least} characters.")
        super().__call__(form, field)


class OneOf:
    """A validator for a select with `validate_choice=False`: one of its choices, said in our words."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def __call__(self, _form: Form, field: SelectField) -> None:
        """Raises `StopValidation`."""
        if field.data is None or not any(choice.value == str(field.data) for choice in field.choices or ()):
            field.errors = []
            raise StopValidation(self.sentence)


class DayField(DateField):
    """A day; what is none is said in our words."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Raises `ValueError` with a sentence."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("There is no such day. Write year, month and day, such as 2026-11-02.") from None
