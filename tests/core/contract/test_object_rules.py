"""Violations with values that may be shown."""

from tests.worlds.surveys import config, contract, survey_of

NOTHING = contract()


def test_violation_masks_the_values_of_secrets() -> None:
    one, two = (config(KEY=value).replace("ConfigMap", "Secret") for value in ("b25l", "dHdv"))
    rules = contract("[{field: '/data/*', schema: {enum: [x]}}]")
    for book in (NOTHING, rules):
        [violation] = survey_of(two, one, book).violations
        assert (violation.before, violation.after) == ("***", "***")
        assert "dHdv" not in str(violation) + "".join(violation.lines())
