"""Kubernetes quantities as numbers: `1000m` is `1`, `1Gi` is `1073741824`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?")
_BINARY = {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {unit: Decimal(1000) ** power for power, unit in enumerate("num", -3)} | {
    unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)
}


def parse(text: str) -> Decimal | None:
    """The value of a quantity; None if the text is no quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    digits, binary, decimal, exponent = found.groups()
    if binary:
        return Decimal(digits) * _BINARY[binary]
    if decimal:
        return Decimal(digits) * _DECIMAL[decimal]
    return Decimal(digits) * Decimal(10) ** int(exponent or 0)
