"""Environments side by side: overlay -> its violations as (reason, severity, field)."""

from dataclasses import replace

from gitops.core.contract.cross_environment import check_all
from tests.worlds.surveys import config, contract, deployment, surveyed, together

NOTHING = contract()
DATA = contract("[{field: '/data/*'}]")
FOREIGN = "ForeignName"


class TestDistinct:
    RULES = contract("[{name: db, field: '/data/*', distinct: [DB_URL]}]")

    def test_the_earlier_one_is_charged_when_nothing_else_is_known(self) -> None:
        owns = {name: config(DB_URL=url) for name, url in (("dev", "a"), ("test", "b"), ("prod", "a"))}
        assert together(owns, config(), self.RULES) == {"dev": [("NotDistinct", "forbid", "/data/DB_URL")]}

    def test_the_one_that_changed_is_charged(self) -> None:
        owns = {"dev": config(DB_URL="a"), "prod": config(DB_URL="a")}
        assert list(together(owns, config(), self.RULES, {"prod"})) == ["prod"]
        assert list(together(owns, config(), self.RULES, {"prod", "dev"})) == ["dev"]

    def test_other_keys_may_be_equal(self) -> None:
        owns = {"dev": config(DB_URL="a", X="1"), "prod": config(DB_URL="b", X="1")}
        assert together(owns, config(), self.RULES) == {}

    def test_all_of_a_field(self) -> None:
        rules = contract("[{field: /spec/host, distinct: true}]")
        owns = {"dev": deployment("{host: a}"), "prod": deployment("{host: a}")}
        assert together(owns, deployment(), rules) == {"dev": [("NotDistinct", "forbid", "/spec/host")]}

    def test_a_setting_of_a_file_named_after_its_environment(self) -> None:
        rules = contract("[{field: '/data/*', format: yaml, distinct: [db.url]}]")
        owns = {name: config(**{f"application-{name}.yml": "db.url: jdbc:mysql://one"}) for name in ("dev", "prod")}
        assert together(owns, config(), rules) == {
            "dev": [("NotDistinct", "forbid", "/data/application-dev.yml/db.url")]
        }

    def test_another_one_s_value_elsewhere(self) -> None:
        owns = {"dev": config(DB_URL="jdbc:mysql://db-1"), "prod": config(DB_URL="x", COPY="see jdbc:mysql://db-1!")}
        assert together(owns, config(), self.RULES) == {"prod": [(FOREIGN, "forbid", "/data/COPY")]}


class TestForeignNames:
    def test_another_namespace_is_forbidden_and_a_bare_name_is_a_warning(self) -> None:
        owns = {
            "dev": config(A="a", B="http://x.shop-prod.svc/"),
            "prod": config(A="run as test", B="http://x.shop-prod.svc/"),
        }
        assert together(owns, config(A="a", B="b"), DATA) == {
            "dev": [(FOREIGN, "forbid", "/data/B")],
            "prod": [(FOREIGN, "warn", "/data/A")],
        }

    def test_what_all_environments_share_is_left_out(self) -> None:
        shared = config(A="keycloak.shop-prod.svc")
        assert together({"dev": shared, "test": shared, "prod": shared}, shared, NOTHING) == {}

    def test_base_s_own_value_counts_where_others_override_it(self) -> None:
        base = config(A="db.shop-dev.svc")
        owns = {"dev": base, "test": config(A="db.shop-test.svc"), "prod": base}
        assert together(owns, base, DATA) == {"prod": [(FOREIGN, "forbid", "/data/A")]}

    def test_acknowledged_one_by_one(self) -> None:
        rules = contract("[{field: /data/A, names: [test]}, {field: '/data/*'}]")
        owns = {"dev": config(A="test", B="test"), "prod": config()}
        assert together(owns, config(), rules) == {"dev": [(FOREIGN, "warn", "/data/B")]}

    def test_an_object_in_another_environment_s_namespace(self) -> None:
        own = config().replace("name: settings", "name: settings\n  namespace: shop-test")
        rules = contract("[{objects: [{kind: ConfigMap, name: '*'}]}]")
        found = together({"dev": config(), "prod": own}, config(), rules)
        assert found == {"prod": [(FOREIGN, "forbid", "/metadata/namespace")]}

    def test_kinds_groups_and_names_of_variables_name_nobody(self) -> None:
        own = deployment("{x: {apiGroup: test.example}}", "{env: [{name: TEST, value: a}], command: [test, -f, x]}")
        rules = contract("[{field: /spec}]")
        assert together({"dev": own, "prod": deployment()}, deployment(), rules) == {}


class TestObjectsOutsideBase:
    RULES = "[{objects: [{kind: ConfigMap, name: extra}]}, {field: /data/free}]"

    def test_must_be_equal_but_for_what_is_declared_and_identity(self) -> None:
        owns = {
            "dev": config("extra", a="1", free="1", host="x-dev"),
            "test": config("extra", a="1", free="2", host="x-test"),
            "prod": config("extra", a="2", free="3", host="x-prod"),
        }
        found = together(owns, "", contract(self.RULES))
        assert found == {"dev": [("Undeclared", "forbid", "/data/a")]}

    def test_nothing_is_said_between_different_bases(self) -> None:
        rules = contract(self.RULES)
        one = replace(surveyed(config("extra", a="1"), "", rules, "dev"), base="one")
        two = replace(surveyed(config("extra", a="2"), "", rules, "prod"), base="two")
        assert check_all([one, two], rules) == {"dev": (), "prod": ()}
