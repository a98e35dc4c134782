"""The published data sets, each imported once."""

from pathlib import Path

import pytest

from client.ingest.importer import Imported, import_folder


@pytest.fixture(scope="session")
def uom(shared_data: Path) -> Imported:
    """Eight people of Manchester."""
    return import_folder(shared_data / "uom", "uom", "Europe/London")


@pytest.fixture(scope="session")
def hupa(shared_data: Path) -> Imported:
    """Twenty-four people of Madrid."""
    return import_folder(shared_data / "hupa", "glucose_ml", "Europe/Madrid")


@pytest.fixture(scope="session")
def azt1d(shared_data: Path) -> Imported:
    """Twenty-five people of Arizona, which has no summer time."""
    return import_folder(shared_data / "azt1d", "glucose_ml", "America/Phoenix")


@pytest.fixture(scope="session")
def hall(shared_data: Path) -> Imported:
    """Fifty-seven people of California."""
    return import_folder(shared_data / "hall", "glucose_ml", "America/Los_Angeles")


@pytest.fixture(scope="session")
def colas(shared_data: Path) -> Imported:
    """Two hundred and eight people of Spain."""
    return import_folder(shared_data / "colas", "glucose_ml", "Europe/Madrid")
