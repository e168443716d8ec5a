"""NetworkPolicies of the example: environments are isolated, and the gateway, monitoring and DNS are allowed.

No network plugin runs in the tests. network_policy.py evaluates the rendered policies and has tests of its own here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from tests.example.network_policy import Network, Peer, Port, is_selected
from tests.example.rendered import ENVIRONMENTS, Rendered, container, pod_labels

HTTP, MANAGEMENT = Port(8080), Port(8081)
DNS = Port(53, "UDP")
# KubeSphere, its monitoring and DNS as they stand on a cluster; Kubernetes itself labels each namespace with its name.
SYSTEM = ("kubesphere-controls-system", "kubesphere-monitoring-system", "kube-system", "default")


@pytest.fixture(scope="module")
def pods(environments: Mapping[str, Rendered]) -> dict[tuple[str, str], Peer]:
    """Return one pod of each Deployment, by environment and name, with addresses of KubeKey's pod network."""
    address = _addresses()
    return {
        (environment, name): Peer(
            namespace=f"tuling-{environment}",
            address=next(address),
            labels=pod_labels(body),
            ports={port["name"]: port["containerPort"] for port in container(body)["ports"]},
        )
        for environment in ENVIRONMENTS
        for name, body in environments[environment].of("Deployment").items()
    }


@pytest.fixture(scope="module")
def network(environments: Mapping[str, Rendered], platform: Rendered) -> Network:
    labels = {name: dict(body["metadata"]["labels"]) for name, body in platform.of("Namespace").items()}
    labels |= {name: {} for name in SYSTEM}
    named = {name: {**own, "kubernetes.io/metadata.name": name} for name, own in labels.items()}
    return Network(named, [policy for e in environments.values() for policy in e.of("NetworkPolicy").values()])


def _addresses() -> Iterator[str]:
    yield from (f"10.233.64.{number}" for number in range(2, 250))


def _system(namespace: str, **labels: str) -> Peer:
    return Peer(namespace, "10.233.65.9", {key.replace("_", "-"): value for key, value in labels.items()})


def _outside(address: str) -> Peer:
    return Peer("", address)


def test_network_policies_isolate_environments(network: Network, pods: Mapping[tuple[str, str], Peer]) -> None:
    leaks = [
        (source, target, port.number)
        for source, sender in pods.items()
        for target, receiver in pods.items()
        for port in (HTTP, MANAGEMENT)
        if source[0] != target[0] and network.allows(sender, receiver, port)
    ]
    assert leaks == []


def test_network_policies_of_either_side_alone_isolate_environments(
    network: Network, pods: Mapping[tuple[str, str], Peer]
) -> None:
    dev, prod = pods["dev", "order"], pods["prod", "order"]
    for guard in ("tuling-dev", "tuling-prod"):
        alone = replace(network, policies=[p for p in network.policies if p["metadata"]["namespace"] == guard])
        assert not alone.allows(dev, prod, HTTP)


def test_network_without_policies_is_open(network: Network, pods: Mapping[tuple[str, str], Peer]) -> None:
    """The evaluator finds a connection that no policy forbids."""
    assert replace(network, policies=[]).allows(pods["dev", "order"], pods["prod", "order"], HTTP)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_network_policies_allow_services_of_one_environment(
    environment: str, network: Network, pods: Mapping[tuple[str, str], Peer]
) -> None:
    assert network.allows(pods[environment, "gateway"], pods[environment, "order"], HTTP)
    assert network.allows(pods[environment, "order"], pods[environment, "print-api"], HTTP)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_project_gateway_reaches_only_gateway_and_h5_web(
    environment: str, network: Network, pods: Mapping[tuple[str, str], Peer]
) -> None:
    project_gateway = _system("kubesphere-controls-system")
    reached = {name for (where, name), pod in pods.items() if where == environment
               and network.allows(project_gateway, pod, HTTP)}  # fmt: skip
    assert reached == {"gateway", "h5-web"}
    assert not network.allows(project_gateway, pods[environment, "gateway"], MANAGEMENT)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_monitoring_reaches_only_the_management_port_of_every_pod(
    environment: str, network: Network, pods: Mapping[tuple[str, str], Peer]
) -> None:
    prometheus = _system("kubesphere-monitoring-system")
    for (where, _), pod in pods.items():
        if where == environment:
            assert network.allows(prometheus, pod, MANAGEMENT)
            assert not network.allows(prometheus, pod, HTTP)


def test_other_namespaces_reach_no_pod(network: Network, pods: Mapping[tuple[str, str], Peer]) -> None:
    stranger = _system("default", app="gateway")
    assert not any(network.allows(stranger, pod, port) for pod in pods.values() for port in (HTTP, MANAGEMENT))


def test_pods_reach_dns_and_the_database_and_nothing_else_of_the_cluster(
    network: Network, pods: Mapping[tuple[str, str], Peer]
) -> None:
    order = pods["prod", "order"]
    assert network.allows(order, _system("kube-system", k8s_app="kube-dns"), DNS)
    assert network.allows(order, _outside("169.254.25.10"), DNS), "the node-local DNS cache"
    assert network.allows(order, _outside("172.16.3.8"), Port(3306))
    assert not network.allows(order, _system("kube-system", k8s_app="metrics-server"), Port(443))
    assert not network.allows(order, _outside("10.233.0.1"), Port(443)), "the API server's Service"
    assert not network.allows(order, _outside("100.100.100.200"), Port(80)), "the cloud's metadata service"


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ({"key": "app", "operator": "In", "values": ["order"]}, True),
        ({"key": "app", "operator": "In", "values": ["design"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["order"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "Exists"}, False),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selector_expressions_select_by_label(expression: Mapping[str, object], *, selected: bool) -> None:
    assert is_selected({"matchExpressions": [expression]}, {"app": "order"}) is selected


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ({}, True),
        ({"ports": [{"port": "http"}]}, True),
        ({"ports": [{"port": "management"}]}, False),
        ({"ports": [{"port": 8000, "endPort": 8090}]}, True),
        ({"ports": [{"port": 8000, "endPort": 8079}]}, False),
        ({"ports": [{"port": 8080, "protocol": "UDP"}]}, False),
        ({"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}, True),
        ({"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}, False),
        ({"from": [{"namespaceSelector": {"matchLabels": {"team": "y"}}}]}, False),
        ({"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}]}, False),
        ({"from": [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"app": "b"}}}]}, True),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, True),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}, False),
    ],
)
def test_policy_rules_select_peers_and_ports(rule: Mapping[str, object], *, passes: bool) -> None:
    source = Peer("one", "10.1.0.1", {"app": "a"})
    target = Peer("one", "10.1.0.2", {"app": "b"}, {"http": 8080})
    policy = {"metadata": {"namespace": "one"}, "spec": {"podSelector": {}, "ingress": [rule]}}
    assert Network({"one": {"team": "x"}}, [policy]).allows(source, target, HTTP) is passes
