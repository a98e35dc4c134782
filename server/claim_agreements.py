"""Who countersigned the protocol of a run, and whether for the ledgers that lie in it.

Agreements are looked for beside run.json, where a coordinator keeps the one that all clinics
signed, and in each clinic's folder of a study in one process. A clinic without any is not refuted:
the sheet says that none was there.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from privacy.claim import Claim
from study.agreement import Agreement, SiteCaps, check_site, read_agreement, require
from study.failure import Failure
from study.protocol import Protocol

AGREEMENT = "agreement.json"
FOR_THIS_LEDGER = "countersigned, for this ledger"
FOR_NO_LEDGER = "countersigned, for no ledger by name"
NONE_HERE = "no agreement in the run folder"
SOUND = (FOR_THIS_LEDGER, FOR_NO_LEDGER, NONE_HERE)


def standing_of(run_dir: Path, protocol: Protocol, claim: Claim) -> Mapping[str, str]:
    """Of each member one of `SOUND`, or in words what is wrong with its signature."""
    keys = {one.clinic: one.ledger.public_key for one in claim.clinics}
    return {
        one.name: _standing(run_dir, protocol, one.name, keys.get(one.name, ""))
        for one in protocol.members
    }


def _standing(run_dir: Path, protocol: Protocol, clinic: str, ledger_key: str) -> str:
    found = NONE_HERE
    for path in _files(run_dir, clinic):
        try:
            agreement = read_agreement(path)
            if clinic in agreement.sites:
                found = _signed(agreement, protocol, clinic, ledger_key)
        except Failure as failure:
            found = failure.found
        if found not in SOUND:
            return found
    return found


def _files(run_dir: Path, clinic: str) -> Iterator[Path]:
    for path in (run_dir / AGREEMENT, run_dir / "clinics" / clinic / AGREEMENT):
        if path.is_file():
            yield path


def _signed(agreement: Agreement, protocol: Protocol, clinic: str, ledger_key: str) -> str:
    terms = check_site(agreement, clinic)
    caps = SiteCaps(terms.epsilon_cap, terms.minimum_patients, ledger_key or None)
    require(agreement, protocol, clinic, caps, agreement.sites[clinic].signed.public_key)
    return FOR_NO_LEDGER if terms.ledger_key is None else FOR_THIS_LEDGER
