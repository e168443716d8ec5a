"""What was waived stays visible for as long as it runs: in the status, and in the history."""

from datetime import UTC, datetime

from gitops.core.config_repo.release import Release
from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync import summary
from gitops.core.sync.status import Drift, ObjectStatus, Sync, SyncStatus
from gitops.core.sync.summary import PassResults

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
HERE = Revision("1" * 40, "1" * 40)


def test_a_waiver_is_news_once_and_stays_in_the_status() -> None:
    plain = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE), None, NOW)
    waived = PassResults("prod", "prod", HERE, HERE, HERE, waived=("soak: production is down",))
    after = summary.summarise(waived, plain, NOW)
    line = summary.record(plain, after, {})
    assert after.waived == ("soak: production is down",)
    assert line is not None
    assert line.waived == after.waived
    assert summary.record(after, summary.summarise(waived, after, NOW), {}) is None


def test_what_a_release_waives_in_words() -> None:
    assert Release(waived="adoption").waivers == ("adoption",)
    assert Release(waived={"soak": "it burns", "scan": "it burns"}).waivers == ("soak: it burns", "scan: it burns")
    assert Release().waivers == ()


def test_drift_is_new_until_a_status_shows_it_and_a_heal_is_always_new() -> None:
    key = Key("", "ConfigMap", "dev", "settings")
    foreign, healed = Drift("/data/x", "kubectl-edit", "foreign"), Drift("/data/y", "kubectl-edit", "healed")
    seen = ObjectStatus(key, Sync.SYNCED, Health.HEALTHY, drift=(foreign, healed))
    before = SyncStatus("dev", "dev", Sync.SYNCED, Health.HEALTHY, NOW, objects=(seen,))
    assert summary.new_drift([seen], None) == [foreign, healed]
    assert summary.new_drift([seen], before) == [healed]
