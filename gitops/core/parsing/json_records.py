"""Records as JSON, read and written by their types."""

from functools import cached_property
from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class JsonRecord(Generic[T]):
    """A TypeAdapter that is made when it is first used: a command that starts does not wait for those it never needs.

    Thread-safe: at worst it is made twice.
    """

    def __init__(self, stored_as: type[T]) -> None:
        self._type = stored_as

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self._type)

    def dump_json(self, record: T) -> bytes:
        return self._adapter.dump_json(record)

    def validate_json(self, text: str | bytes) -> T:
        """Raises: pydantic.ValidationError."""
        return self._adapter.validate_json(text)
