"""JSON of typed records, as ledgers and inventories store it."""

from functools import cached_property
from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class JsonRecord(Generic[T]):
    """A pydantic TypeAdapter that is built on first use, so that a command does not pay for records it never reads.

    Thread-safe: at worst the adapter is built twice.
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
