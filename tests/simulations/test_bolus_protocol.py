from pathlib import Path

import pytest
import yaml

from simulations.bolus_protocol import read_bolus_trial
from study.failure import ExitCode, Failure

pytestmark = pytest.mark.slow

SHIPPED = Path("simulations/protocols/bolus-advice.yaml")


def written(tmp_path: Path, **values: object) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | values))
    return path


def test_the_shipped_protocol_asks_for_the_published_size() -> None:
    trial = read_bolus_trial(SHIPPED)
    assert trial.clinics * trial.patients > 500
    assert trial.published == {"time_in_range_pct": 18.0}
    assert trial.epsilons == (8.0, 4.0, 2.0) and trial.delta == 1e-5
    assert 2 * (trial.judged + trial.judged_high) >= 60 and len(trial.seeds) >= 3
    assert trial.budget(4.0).declared == trial.patients


def test_a_digest_is_of_what_is_said(tmp_path: Path) -> None:
    trial = read_bolus_trial(SHIPPED)
    assert read_bolus_trial(written(tmp_path)).digest() == trial.digest()
    assert read_bolus_trial(written(tmp_path, amiss=0.2)).digest() != trial.digest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clinics", 0),
        ("clinics", 2.5),
        ("clinics", True),
        ("patients", "many"),
        ("days", 20),
        ("public", 1),
        ("judged", 0),
        ("judged_high", -1),
        ("last_weeks", 9),
        ("visit_days", 0),
        ("amiss", -0.1),
        ("amiss", float("nan")),
        ("least_factor", 0.0),
        ("least_factor", 1.1),
        ("most_factor", 0.9),
        ("overdose_weight", 0.5),
        ("rounds", 0),
        ("rate", 0),
        ("clip_norm", -1.0),
        ("clip_norm", float("inf")),
        ("target_mg_dl", 60),
        ("epsilons", []),
        ("epsilons", [8, 8]),
        ("epsilons", [0]),
        ("epsilons", ["tight"]),
        ("delta", 0.5),
        ("noise", "none"),
        ("seeds", [1, 1]),
        ("seeds", [1.5]),
        ("seeds", [-1]),
        ("seeds", 3),
        ("trial", 7),
        ("published", {"hba1c": -1}),
        ("planted", 1),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(Failure, match=field) as caught:
        read_bolus_trial(written(tmp_path, **{field: value}))
    assert caught.value.code is ExitCode.BAD_PROTOCOL
    assert "Nobody was advised" in str(caught.value)


@pytest.mark.parametrize("text", ["- 1", "a: [", ""])
def test_what_is_no_protocol_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(text)
    with pytest.raises(Failure, match="no trial at"):
        read_bolus_trial(path)
    with pytest.raises(Failure, match="no trial at"):
        read_bolus_trial(tmp_path / "absent.yaml")
