"""Values that two environments may not share."""

from tests.worlds.surveys import check_together, config, contract, deployment

RULES = contract("[{name: db, field: '/data/*', distinct: [DB_URL]}]")


def test_distinct_values_leave_out_other_keys() -> None:
    owns = {"dev": config(DB_URL="a", X="1"), "prod": config(DB_URL="b", X="1")}
    assert check_together(owns, config(), RULES) == {}


def test_distinct_values_of_a_whole_field() -> None:
    rules = contract("[{field: /spec/host, distinct: true}]")
    owns = {"dev": deployment("{host: a}"), "prod": deployment("{host: a}")}
    assert check_together(owns, deployment(), rules) == {"dev": [("NotDistinct", "forbid", "/spec/host")]}


def test_distinct_values_in_a_file_named_after_its_environment() -> None:
    rules = contract("[{field: '/data/*', format: yaml, distinct: [db.url]}]")
    owns = {name: config(**{f"application-{name}.yml": "db.url: jdbc:mysql://one"}) for name in ("dev", "prod")}
    assert check_together(owns, config(), rules) == {
        "dev": [("NotDistinct", "forbid", "/data/application-dev.yml/db.url")]
    }
