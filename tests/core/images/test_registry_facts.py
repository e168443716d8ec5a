"""The order of severities."""

from gitops.core.images.registry_facts import ScanSeverity


def test_scan_severity_is_ordered_as_in_harbor() -> None:
    """https://github.com/goharbor/harbor/blob/main/src/pkg/scan/vuln/severity.go"""
    assert [severity.name for severity in sorted(ScanSeverity)] == [
        "NONE",
        "NEGLIGIBLE",
        "LOW",
        "MEDIUM",
        "HIGH",
        "CRITICAL",
    ]
