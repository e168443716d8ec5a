"""Images of declared services: the repository is compared, the digest is required."""

from tests.worlds.surveys import check_alone, config, contract, deployment

NOTHING = contract()
UNDECLARED = "Undeclared"
DIGEST = "sha256:" + "a" * 64


def test_service_images_may_differ_in_tag_and_digest() -> None:
    rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
    own = deployment(container=f"{{image: 'r.example/app:1.2@{DIGEST}'}}")
    assert check_alone(own, deployment(container="{image: 'r.example/app:unset'}"), rules) == []


def test_service_images_are_those_of_declared_services_only() -> None:
    own = deployment(container="{image: 'nginx:1.28'}")
    field = "/spec/template/spec/containers/app/image"
    assert check_alone(own, deployment(), NOTHING) == [(UNDECLARED, "forbid", field)]


def test_service_images_need_a_digest_a37() -> None:
    rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
    own = deployment(container="{image: 'r.example/app:1.2'}")
    field = "/spec/template/spec/containers/app/image"
    assert check_alone(own, deployment(container="{image: 'r.example/app:x'}"), rules) == [
        ("NotPinned", "forbid", field)
    ]


def test_service_images_outside_of_pods_are_compared_whole() -> None:
    """An operator's own kinds, and texts: no proof covers them."""
    rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")

    def job(image: str) -> str:
        return f"{{apiVersion: v1, kind: SparkApplication, metadata: {{name: a}}, spec: {{image: '{image}'}}}}"

    old, new = (f"r.example/app:{number}@{DIGEST}" for number in (1, 2))
    assert check_alone(job(new), job(old), rules) == [(UNDECLARED, "forbid", "/spec/image")]
    assert ("NotPinned", "forbid", "/spec/image") in check_alone(job("r.example/app:2"), job(old), rules)
    assert check_alone(config(image=new), config(image=old), rules) == [(UNDECLARED, "forbid", "/data/image")]


def test_service_images_may_not_differ_in_repository() -> None:
    rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
    own = deployment(container=f"{{image: 'r.example/fork:1@{DIGEST}'}}")
    assert UNDECLARED in [
        each[0] for each in check_alone(own, deployment(container="{image: 'r.example/app:x'}"), rules)
    ]
