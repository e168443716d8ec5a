"""Records as JSON and back."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from gitops.core.parsing.json_records import JsonRecord


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    words: tuple[str, ...] = ()


RECORD: JsonRecord[tuple[Line, ...]] = JsonRecord(tuple[Line, ...])


def test_json_record_survives_being_stored() -> None:
    lines = (Line(datetime(2026, 11, 23, 8, tzinfo=UTC), ("a", "张")), Line(datetime(2026, 11, 24, tzinfo=UTC)))
    text = RECORD.dump_json(lines)
    assert RECORD.validate_json(text) == lines
    assert RECORD.validate_json(text.decode()) == lines


@pytest.mark.parametrize("text", ["", "{}", '[{"words": []}]', '[{"at": "soon"}]'])
def test_json_record_refuses_other_json(text: str) -> None:
    with pytest.raises(ValidationError):
        RECORD.validate_json(text)
