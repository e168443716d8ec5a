"""The declaration of environments: from options, guessed from the rendered objects, or asked for."""

import json

import pytest

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Rejected
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.cluster_scoped import is_namespaced
from gitops.core.onboarding import environments
from gitops.core.onboarding.discovery import KustomizationDirectory, OverlayRoot
from gitops.core.onboarding.environments import UNKNOWN_NAMESPACE, DeployedOverlay, EnvironmentOptions


def deployed(environment: str, *objects: str, service: str = "", prefix: str = "") -> DeployedOverlay:
    """`objects`: `Kind name namespace`, the last one left out where there is none."""
    texts = []
    for each in objects:
        kind, name, *namespace = each.split()
        metadata = {"name": name, **({"namespace": namespace[0]} if namespace else {})}
        texts.append(json.dumps({"apiVersion": "v1", "kind": kind, "metadata": metadata}))
    root = OverlayRoot(environment, f"overlays/{environment}", service)
    overlay = Overlay(root.overlay, environment, root.target, UNKNOWN_NAMESPACE)
    found = manifests.parse("\n---\n".join(texts).encode(), overlay, is_namespaced)
    return DeployedOverlay(root, KustomizationDirectory("", prefix=prefix), found)


def asked(call: object) -> str:
    assert callable(call)
    with pytest.raises(Rejected) as caught:
        call()
    assert caught.value.reason == "Undecided"
    return str(caught.value)


def test_namespace_is_that_of_most_objects() -> None:
    found = environments.declare(
        [deployed("dev", "Service a x", "Service b x", "Service c y", "Service d")], EnvironmentOptions()
    )
    assert found["dev"].namespace == "x"


def test_namespace_that_is_not_set_is_asked_for() -> None:
    assert "--namespace dev=NAMESPACE" in asked(
        lambda: environments.declare([deployed("dev", "Service a")], EnvironmentOptions())
    )
    options = EnvironmentOptions(namespaces={"dev": "x"})
    assert environments.declare([deployed("dev", "Service a")], options)["dev"].namespace == "x"


def test_namespace_that_is_a_variable_is_asked_for() -> None:
    assert asked(lambda: environments.declare([deployed("dev", "Service a ${NAMESPACE}")], EnvironmentOptions()))


def test_order_follows_the_names_or_the_option() -> None:
    known = [deployed(name, f"Service a {name}") for name in ("prod", "dev", "qa")]
    assert list(environments.declare(known, EnvironmentOptions())) == ["dev", "qa", "prod"]
    found = environments.declare(known, EnvironmentOptions(order=("qa", "dev", "prod")))
    assert {name: each.after for name, each in found.items()} == {"qa": None, "dev": "qa", "prod": "dev"}
    assert {name: each.images for name, each in found.items()} == {"qa": "newest", "dev": None, "prod": None}


def test_order_names_each_environment_once() -> None:
    known = [deployed(name, f"Service a {name}") for name in ("prod", "dev")]
    for order in (("dev",), ("dev", "dev", "prod"), ("dev", "prod", "qa")):
        with pytest.raises(Rejected, match="--order"):
            environments.declare(known, EnvironmentOptions(order=order))


def test_order_that_names_do_not_show_is_asked_for() -> None:
    known = [deployed(name, f"Service a {name}") for name in ("us", "eu")]
    assert "--order us,eu" in asked(lambda: environments.declare(known, EnvironmentOptions()))
    found = environments.declare(known, EnvironmentOptions(environments={"us": "x", "eu": "y"}))
    assert found["eu"].after == "us"


def test_prefix_is_the_one_of_all_services() -> None:
    same = [deployed("dev", "Service a x", service=name, prefix="dev-") for name in ("a", "b")]
    assert environments.declare(same, EnvironmentOptions())["dev"].prefix == "dev-"
    assert (
        environments.declare([*same, deployed("dev", "Service c x", service="c")], EnvironmentOptions())["dev"].prefix
        == ""
    )
    odd = [deployed("dev", "Service a x", prefix="Dev_")]
    assert environments.declare(odd, EnvironmentOptions())["dev"].prefix == ""


def test_environments_observe_and_allow_their_own_kinds() -> None:
    found = environments.declare([deployed("dev", "Service a x", "Namespace x", "Node n")], EnvironmentOptions())["dev"]
    assert str(found.sync.mode) == "observe"
    assert found.sync.allow.cluster == ("Namespace", "Node")


def test_twins_share_more_than_half_of_their_objects() -> None:
    one = deployed("dev", "Service a x", "Service b x", "Service c x", service="one")
    two = deployed("dev", "Service a x", "Service b x", service="two")
    three = deployed("dev", "Service a x", "Service d x", "Service e x", service="three")
    assert list(environments.find_twins([one, two, three])) == [(one, two)]
    assert list(environments.find_twins([one, deployed("prod", "Service a x", "Service b x")])) == []


def test_foreign_services_have_no_object_in_the_namespace() -> None:
    here = deployed("dev", "Service a x", "Service b x", service="here")
    there = deployed("dev", "Service c y", service="there")
    nowhere = deployed("dev", "Service d", service="nowhere")
    everything = [here, there, nowhere]
    assert environments.find_foreign_services(everything, environments.declare(everything, EnvironmentOptions())) == [
        there
    ]
    whole = [deployed("dev", "Service c y")]
    assert (
        environments.find_foreign_services(
            whole, environments.declare(whole, EnvironmentOptions(namespaces={"dev": "x"}))
        )
        == []
    )
