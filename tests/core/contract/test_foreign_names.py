"""Names and distinct values of other environments: overlay -> its violations as (reason, severity, field)."""

from tests.worlds.surveys import check_together, config, contract, deployment

NOTHING = contract()
DATA = contract("[{field: '/data/*'}]")
FOREIGN = "ForeignName"
RULES = contract("[{name: db, field: '/data/*', distinct: [DB_URL]}]")


def test_foreign_distinct_value_in_another_field() -> None:
    owns = {"dev": config(DB_URL="jdbc:mysql://db-1"), "prod": config(DB_URL="x", COPY="see jdbc:mysql://db-1!")}
    assert check_together(owns, config(), RULES) == {"prod": [(FOREIGN, "forbid", "/data/COPY")]}


def test_foreign_namespace_is_forbidden_and_a_bare_name_is_a_warning() -> None:
    owns = {
        "dev": config(A="a", B="http://x.shop-prod.svc/"),
        "prod": config(A="run as test", B="http://x.shop-prod.svc/"),
    }
    assert check_together(owns, config(A="a", B="b"), DATA) == {
        "dev": [(FOREIGN, "forbid", "/data/B")],
        "prod": [(FOREIGN, "warn", "/data/A")],
    }


def test_foreign_names_leave_out_texts_that_all_have_from_base() -> None:
    shared = config(A="keycloak.shop-prod.svc")
    assert check_together({"dev": shared, "test": shared, "prod": shared}, shared, NOTHING) == {}


def test_foreign_name_from_base_counts_where_others_override_it() -> None:
    base = config(A="db.shop-dev.svc")
    owns = {"dev": base, "test": config(A="db.shop-test.svc"), "prod": base}
    assert check_together(owns, base, DATA) == {"prod": [(FOREIGN, "forbid", "/data/A")]}


def test_foreign_names_are_allowed_one_by_one() -> None:
    rules = contract("[{field: /data/A, names: [test]}, {field: '/data/*'}]")
    owns = {"dev": config(A="test", B="test"), "prod": config()}
    assert check_together(owns, config(), rules) == {"dev": [(FOREIGN, "warn", "/data/B")]}


def test_foreign_namespace_of_an_object() -> None:
    own = config().replace("name: settings", "name: settings\n  namespace: shop-test")
    rules = contract("[{objects: [{kind: ConfigMap, name: '*'}]}]")
    found = check_together({"dev": config(), "prod": own}, config(), rules)
    assert found == {"prod": [(FOREIGN, "forbid", "/metadata/namespace")]}


def test_foreign_names_leave_out_kinds_groups_programs_and_names_of_variables() -> None:
    own = deployment("{x: {apiGroup: test.example}}", "{env: [{name: TEST, value: a}], command: [test, -f, x]}")
    rules = contract("[{field: /spec}]")
    assert check_together({"dev": own, "prod": deployment()}, deployment(), rules) == {}
