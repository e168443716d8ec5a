"""The survey of one overlay: its violations by itself, and the facts for the comparison with other environments."""

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity
from gitops.core.contract.survey_result import Mention, ObjectText, Setting
from tests.worlds.surveys import config, contract, deployment, survey_of

DIGEST = "sha256:" + "a" * 64
DATA = contract("[{name: db, field: '/data/*', distinct: [DB]}]")
IDENT = ObjectIdentity("", "ConfigMap", "", "settings")


def test_survey_of_equal_objects_has_nothing_to_report() -> None:
    found = survey_of(config(A="x"), config(A="x"), DATA)
    assert (found.violations, found.settings, found.mentions, found.texts, found.extras) == ((), (), (), (), ())
    assert (found.name, found.environment, found.reference) == ("prod", "prod", "base")


def test_survey_counts_differences_that_are_declared_and_those_that_a_preset_allows() -> None:
    rules = contract("[{field: /data/A}, {preset: standard}]")
    found = survey_of(config(A="x", B="y"), config(A="1", B="2"), rules)
    assert (found.declared, found.free) == (2, 1)


def test_survey_has_texts_that_the_reference_lacks() -> None:
    found = survey_of(config(A="new", B="same", C=1), config(A="old", B="same", C=2), DATA)
    assert found.texts == (ObjectText(IDENT, "/data/A", "new"),)


def test_survey_has_objects_that_the_reference_lacks_with_all_their_texts() -> None:
    found = survey_of(config() + config("extra", A="x"), config(), DATA)
    assert [shape.ident.name for shape in found.extras] == ["extra"]
    assert [text.value for text in found.texts] == ["v1", "x", "ConfigMap"]


def test_survey_has_settings_that_must_be_distinct() -> None:
    found = survey_of(config(DB="db-1", B="x"), config(), DATA)
    assert found.settings == (Setting("db", ViolationSeverity.FORBID, IDENT, "/data/DB", "/data/DB", "DB", "db-1"),)


def test_survey_has_mentions_of_environments_set_here_or_inherited() -> None:
    found = survey_of(config(A="x.shop-test.svc", B="test"), config(B="test"), DATA)
    assert found.mentions == (
        Mention(
            ObjectText(IDENT, "/data/A", "x.shop-test.svc"),
            "shop-test",
            frozenset({"test"}),
            hard=True,
            inherited=False,
        ),
        Mention(ObjectText(IDENT, "/data/B", "test"), "test", frozenset({"test"}), hard=False, inherited=True),
    )


def test_survey_has_images_of_declared_services() -> None:
    rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
    image = f"r.example/app:1@{DIGEST}"
    own = deployment(container=f"{{image: '{image}'}}") + deployment(name="other")
    assert [str(each) for each in survey_of(own, own, rules).images] == [image]
