"""Decide whether a connection between two pods passes the NetworkPolicies of both namespaces, by the rules of
networking.k8s.io/v1: https://kubernetes.io/docs/concepts/services-networking/network-policies/

Pods reach each other by their own addresses. An ipBlock is compared with the peer's address, as Calico does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod, or with an empty namespace an address outside the cluster. `ports` are its named container ports."""

    namespace: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Network:
    """`namespaces`: labels by name. `policies`: rendered objects with their namespace."""

    namespaces: Mapping[str, Mapping[str, str]]
    policies: Sequence[Body]

    def allows(self, source: Peer, target: Peer, port: Port) -> bool:
        return self._is_open("Egress", source, target, port) and self._is_open("Ingress", target, source, port)

    def _is_open(self, direction: str, subject: Peer, other: Peer, port: Port) -> bool:
        """Tell if one side allows the connection. Policies add up. A pod that no policy selects is open."""
        effective = [policy for policy in self._select_policies(subject) if direction in _directions(policy)]
        listening = other if direction == "Egress" else subject
        rules = [rule for policy in effective for rule in policy["spec"].get(direction.lower(), [])]
        return not effective or any(
            self._is_admitted(rule.get("to" if direction == "Egress" else "from"), subject, other)
            and _is_allowed_port(rule.get("ports"), listening, port)
            for rule in rules
        )

    def _select_policies(self, pod: Peer) -> list[Body]:
        return [
            policy
            for policy in self.policies
            if policy["metadata"]["namespace"] == pod.namespace
            and is_selected(policy["spec"].get("podSelector", {}), pod.labels)
        ]

    def _is_admitted(self, peers: Sequence[Body] | None, subject: Peer, other: Peer) -> bool:
        return not peers or any(self._is_peer(peer, subject, other) for peer in peers)

    def _is_peer(self, peer: Body, subject: Peer, other: Peer) -> bool:
        if "ipBlock" in peer:
            return _is_in_block(peer["ipBlock"], other.address)
        if not other.namespace:
            return False
        if "namespaceSelector" in peer:
            near = is_selected(peer["namespaceSelector"], self.namespaces[other.namespace])
        else:
            near = other.namespace == subject.namespace
        return near and is_selected(peer.get("podSelector", {}), other.labels)


def is_selected(selector: Body, labels: Mapping[str, str]) -> bool:
    """Tell if a label selector selects the labels. The empty selector selects everything."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _is_true(expression, labels) for expression in selector.get("matchExpressions", [])
    )


def _is_true(expression: Body, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"no such operator: {other}")


def _directions(policy: Body) -> Sequence[str]:
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return spec.get("policyTypes") or default


def _is_allowed_port(ports: Sequence[Body] | None, listening: Peer, port: Port) -> bool:
    return not ports or any(_is_port(entry, listening, port) for entry in ports)


def _is_port(entry: Body, listening: Peer, port: Port) -> bool:
    if entry.get("protocol", "TCP") != port.protocol:
        return False
    wanted = entry.get("port")
    first = listening.ports.get(wanted) if isinstance(wanted, str) else wanted
    if wanted is not None and first is None:
        return False
    return first is None or first <= port.number <= entry.get("endPort", first)


def _is_in_block(block: Body, address: str) -> bool:
    where = ip_address(address)
    return where in ip_network(block["cidr"]) and not any(
        where in ip_network(excepted) for excepted in block.get("except", [])
    )
