"""claim.html and claim.json: one page that needs no network, and the same for programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from privacy.canonical import RELEASE
from privacy.claim import Spent
from server.claim_sheet import Sheet
from server.claim_words import (
    NOT_COVERED,
    audit_in_words,
    audit_rows,
    covered,
    dpia,
    dpia_text,
    headline,
    registry_entry,
    trust,
)
from server.report import TEMPLATES, figures
from study.page_templates import page_templates
from study.svg import inline_svg


def as_plain(sheet: Sheet) -> dict[str, Any]:
    """The sheet as plain values; `epsilon`, `mu` and what follows are null where unknown."""
    claim = sheet.claim
    return {
        "study": sheet.protocol.study,
        "protocol_sha256": sheet.protocol.digest(),
        "standing": sheet.standing,
        "is_claim": sheet.standing == "claim",
        "noise": sheet.protocol.privacy.noise,
        "disagreements": list(sheet.disagreements),
        **{key: value for key, value in asdict(claim).items() if key != "clinics"},
        "sigma": max(claim.sigmas, default=None),
        "clinics": [
            {
                **asdict(one),
                "ledger": {"holds": one.ledger.holds, **asdict(one.ledger)},
                "curve": [_step(step) for step in one.curve],
            }
            for one in claim.clinics
        ],
        "agreed": dict(sheet.agreed),
        "covered": dict(covered(sheet)),
        "not_covered": dict(NOT_COVERED),
        "trust": dict(trust(sheet)),
        "audit": sheet.audit if sheet.audit is not None else "not run",
        "dpia": dpia_text(sheet),
        "registry": registry_entry(sheet),
    }


def _step(step: Spent) -> dict[str, Any]:
    """One debit; its name only where it is no vector of training."""
    plain = asdict(step)
    if step.name == RELEASE:
        del plain["name"]
    return plain


def page(sheet: Sheet) -> str:
    """The page as HTML; every name is escaped, only our own drawing is taken as markup."""
    pages = page_templates(TEMPLATES)
    pages.filters["figures"] = figures
    return pages.get_template("claim.html.j2").render(
        sheet=sheet,
        claim=sheet.claim,
        headline=headline(sheet),
        covered=covered(sheet),
        agreed_rows=[(f"protocol, {name}", words) for name, words in sheet.agreed.items()],
        not_covered=NOT_COVERED,
        trust=trust(sheet),
        audit=audit_in_words(sheet),
        audit_rows=audit_rows(sheet),
        dpia=dpia(sheet),
        curve=Markup(curve(sheet)),
    )


def curve(sheet: Sheet) -> str:
    """Epsilon after each debit of each clinic, under the protocol's, as SVG."""
    agreed = sheet.protocol.privacy.epsilon

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, one in enumerate(sheet.claim.clinics):
            spent = [0.0, *(step.epsilon for step in one.curve)]
            # Clinics that release together draw one line over the other: the later the thinner.
            thick = 1.0 + 4.0 / (1.0 + place)
            axes.plot(range(len(spent)), spent, drawstyle="steps-post", lw=thick, label=one.clinic)
        axes.axhline(agreed, color="#a34412", linestyle="--", linewidth=0.8, label="agreed")
        axes.set_xlabel("debits in the ledger")
        axes.set_ylabel("epsilon spent")
        axes.set_ylim(0.0, None)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return inline_svg("claim", "Epsilon spent after each debit, by clinic", (7.2, 2.8), draw)


def output_folder(run_dir: Path, out: Path | None) -> Path:
    """Where the sheet goes: beside run.json unless a folder was named; made if absent."""
    folder = run_dir if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    return folder
