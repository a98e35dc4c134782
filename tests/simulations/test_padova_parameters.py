"""The public patients' file, and the fasting state solved from free constants."""

import csv
from pathlib import Path

import numpy as np
import pytest

from simulations.padova_parameters import (
    CONSTANTS,
    FREE,
    GROUPS,
    PATIENTS_CSV,
    STATES,
    free_constants,
    public_patients,
    settle,
)


def file_rows() -> list[dict[str, str]]:
    with PATIENTS_CSV.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_there_are_ten_patients_of_each_group() -> None:
    groups = [patient.group for patient in public_patients()]
    assert {group: groups.count(group) for group in GROUPS} == dict.fromkeys(GROUPS, 10)
    assert len(CONSTANTS) == 32
    assert len(STATES) == 13


def test_the_first_patient_holds_the_numbers_of_the_file() -> None:
    patient = public_patients()[0]
    assert patient.name == "adolescent#001"
    assert patient.weight_kg == 68.706
    assert patient.constant("kabs") == 0.091043
    assert patient.fasting_state[3] == 250.621836
    assert patient.fasting_glucose_mg_dl == pytest.approx(149.02, abs=1e-6)
    assert patient.basal_u_per_h == pytest.approx(1.21697571391 * 68.706 / 100.0)


@pytest.mark.parametrize("row", file_rows(), ids=lambda row: row["Name"])
def test_solving_the_fasting_state_reproduces_the_file(row: dict[str, str]) -> None:
    public = next(p for p in public_patients() if p.name == row["Name"])
    free = {name: float(row[name]) for name in FREE}
    solved = settle(public.name, public.group, free)
    assert solved.constants == pytest.approx(public.constants, rel=1e-9)
    assert solved.fasting_state == pytest.approx(public.fasting_state, rel=1e-9)


def test_a_fasting_state_follows_its_glucose() -> None:
    free = {name: float(file_rows()[0][name]) for name in FREE}
    assert settle("x", "child", free | {"Gb": 120.0}).fasting_glucose_mg_dl == pytest.approx(120.0)


def test_free_constants_are_those_of_the_group() -> None:
    for group in GROUPS:
        free = free_constants(group)
        assert free.shape == (10, len(FREE))
        assert np.all(free > 0.0)
    weight = FREE.index("BW")
    means = {group: free_constants(group)[:, weight].mean() for group in GROUPS}
    assert means["child"] < means["adolescent"] < means["adult"]


def test_the_file_travels_with_its_source_and_licence() -> None:
    notice = (Path(PATIENTS_CSV).parent / "NOTICE.md").read_text()
    assert "simglucose 0.2.11" in notice
    assert "Copyright (c) 2017 Jinyu Xie" in notice
    assert "Permission is hereby granted, free of charge" in notice
