import pytest

from gitops.core.sync import diff, masking
from gitops.core.sync.diff import changes

ENV = "/spec/template/spec/containers/app/env"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/data/DB_PASSWORD", True),
        ("/data/spring.datasource.password", True),
        ("/data/jwt-secret", True),
        ("/data/REDIS_PWD", True),
        ("/data/apiKey", True),
        ("/metadata/annotations/example.com~1deploy-token", True),
        (f"{ENV}/AWS_SECRET_ACCESS_KEY/value", True),
        (f"{ENV}/DB_PASS/value", True),
        (f"{ENV}/3/value", True),  # whose name is not in the path
        ("/spec/auth/clientSecret", True),
        ("/data/LEVEL", False),
        ("/data/compass", False),
        (f"{ENV}/COLOUR/value", False),
        (f"{ENV}/PASSENGERS/value", False),
        ("/spec/template/spec/volumes/v/secret/secretName", False),
        ("/spec/template/spec/automountServiceAccountToken", True),  # a boolean there: shown all the same, see below
        (f"{ENV}/DB_PASSWORD/valueFrom/secretKeyRef/name", False),
    ],
)
def test_masking_a41_recognises_credentials_by_the_names_of_fields(path: str, *, is_one: bool) -> None:
    assert masking.is_credential(path) is is_one


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user: a\npassword: hunter2\nport: 1", "user: a\npassword: ***\nport: 1"),
        ("spring.datasource.password=hunter2", "spring.datasource.password=***"),
        ('{"apiKey": "hunter2", "a": 1}', '{"apiKey": ***, "a": 1}'),
        ("postgres://me:hunter2@db/x", "postgres://***@db/x"),
        ("run --token=hunter2 --verbose", "run --token=*** --verbose"),
        ("run --password hunter2 now", "run --password *** now"),
        ("a: 'b'\ntoken: 'hunter2 and more'", "a: 'b'\ntoken: ***"),
        ("?access_token=hunter2&x=1", "?access_token=***&x=1"),
        ("nothing to hide: 1", "nothing to hide: 1"),
        ("rotate the token daily", "rotate the token daily"),
    ],
)
def test_masking_a41_of_values_that_a_text_assigns_to_such_a_name(text: str, shown: str) -> None:
    assert masking.without_credentials(text) == shown


def test_masking_a41_in_the_difference_of_a_config_map_and_of_an_environment() -> None:
    def body(secret: str) -> dict[str, object]:
        file = f"server:\n  port: 80\ndatasource:\n  password: {secret}\n"
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a.yml": file, "API_TOKEN": secret}}

    found = changes(body("hunter2-old"), body("hunter2-new"))
    assert {each.field for each in found} == {"/data/API_TOKEN", "/data/a.yml"}
    assert "hunter2" not in str(found)

    def deployment(secret: str) -> dict[str, object]:
        env = [{"name": "DB_PASSWORD", "value": secret}, {"name": "URL", "value": f"http://a:{secret}@db"}]
        container = {"name": "app", "env": env, "args": [f"--token={secret}"]}
        template = {"spec": {"containers": [container]}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {"template": template}}

    found = changes(deployment("hunter2-old"), deployment("hunter2-new"))
    assert len(found) == 3
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("piece", ["a", "a.", "token", 'password="', "://a", "-", "token:", "'"])
def test_masking_a30_reads_a_long_text_once(piece: str) -> None:
    """Quadratic in its length, this would take hours."""
    text = piece * (1_000_000 // len(piece))
    assert len(masking.without_credentials(text)) > 0


def test_masking_leaves_values_that_are_no_text() -> None:
    change = diff.SecretMask({}).change("/spec/automountServiceAccountToken", True, False)  # noqa: FBT003 - a value
    assert (change.old, change.new) == ("true", "false")
