import base64
import hashlib
import re

from hypothesis import assume, given
from hypothesis import strategies as st

from gitops.core.objects import Key
from gitops.core.ownership import applyset
from gitops.core.ownership.applyset import MEMBERS_JSON, Member

DNS_LABELS = st.from_regex(r"\A[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?\Z")
OVERLAYS = st.lists(DNS_LABELS, min_size=1, max_size=2).map("/".join)
LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def kep_id(name: str, namespace: str, kind: str, group: str) -> str:
    digest = hashlib.sha256(f"{name}.{namespace}.{kind}.{group}".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def test_applyset_id_formula_gives_kubectls_own_example() -> None:
    """https://kubernetes.io/docs/reference/labels-annotations-taints/#applyset-kubernetes-io-id"""
    assert kep_id("my-set", "test", "Secret", "") == "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1"


def test_applyset_id_of_a_config_map_parent() -> None:
    found = applyset.applyset_id("lockstep.prod.print-api", "lockstep-system")

    assert found == kep_id("lockstep.prod.print-api", "lockstep-system", "ConfigMap", "")
    assert found == "applyset-iPHHxflPPTNk9IXvrt50PrnQYEpVagaYRv2akBbS1wQ-v1"  # by openssl dgst -sha256 | base64


@given(OVERLAYS, DNS_LABELS)
def test_applyset_id_is_a_valid_label_value(overlay: str, namespace: str) -> None:
    assert LABEL_VALUE.fullmatch(applyset.applyset_id(applyset.parent_name(overlay), namespace))


def test_applyset_parent_name() -> None:
    assert applyset.parent_name("dev") == "lockstep.dev"
    assert applyset.parent_name("prod/print-api") == "lockstep.prod.print-api"


@given(OVERLAYS, OVERLAYS)
def test_applyset_parent_of_two_overlays_is_never_the_same(one: str, other: str) -> None:
    assume(one != other)

    assert applyset.parent_name(one) != applyset.parent_name(other)


@given(OVERLAYS)
def test_applyset_parent_name_is_a_valid_object_name(overlay: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", applyset.parent_name(overlay))


def test_applyset_members_survive_being_stored() -> None:
    members = (
        Member(Key("apps", "Deployment", "prod", "order"), "v1", "uid-1", "hash", "fingerprint", 7),
        Member(Key("", "Namespace", "", "prod"), "v1"),
    )

    assert MEMBERS_JSON.validate_json(MEMBERS_JSON.dump_json(members)) == members
