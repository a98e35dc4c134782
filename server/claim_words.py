"""What a claim sheet says in words, and the same facts for a registry of deployments and a DPIA."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from server.claim_sheet import Sheet

COVERED = (
    ("the released vectors", "every number that left a clinic, in all rounds of its ledger"),
    ("the body and the report", "made from released vectors alone: they cost no further privacy"),
    ("errors and refusals", "leave as one of a fixed list of codes, never as text"),
)
NOT_COVERED = (
    ("participation", "that a clinic takes part, in which rounds and with which code, is public"),
    ("the size of a clinic", "the declared number of patients is public, and is the denominator"),
    ("the length of its ledger", "rounds and studies, and how often the agent was interrupted"),
    ("what stays at home", "heads, readings, logs and home tuning lie on the clinic's own disk"),
    ("side channels", "when a reply comes and how long its noise took, power, memory, the network"),
    ("other studies", "a second budget, unless the site's policy names the patients' cohort"),
    ("choices made beforehand", "hyper-parameters or enrolment decided by looking at the patients"),
    ("what is true of everybody", "what a study of other people teaches about a patient as well"),
    ("scores of a rehearsal", "run.json of a simulation holds errors of its people without noise"),
)
TRUST = (
    ("the server", "availability only: a wrong average spoils the body, not the patients' privacy"),
    ("the network and the other clinics", "availability only: each release carries its own noise"),
    ("the clinic's machine and disk", "readings, heads, the signing key, and an honest history"),
    ("the clinic's program", "that the agent that ran is this one; a ledger does not prove that"),
    ("the noise's kind", "exact or simulated is said by the protocol; no record proves the draw"),
    ("the operating system's entropy", "that the noise cannot be guessed"),
    ("the enrolment", "that one row is one person; sites do not compare lists"),
)
LIBRARIES = ("opacus", "dp-accounting", "cryptography", "numpy", "torch")
NO_COMPLIANCE = (
    "Facts for an assessment by the controller. It is no legal advice, and does not claim that "
    "this processing complies with any law."
)


def covered(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """What the figures are about, metrics among it where the protocol asks for any."""
    metrics = sheet.protocol.metrics
    if metrics is None:
        return COVERED
    what = (
        f"{', '.join(metrics.names)}: each patient's cut to {metrics.bound_mg_dl:g} mg/dL, summed, "
        f"noised at the clinic and debited like a round, {100 * metrics.share:g} % of mu squared"
    )
    return (*COVERED, ("the metrics that left", what))


def trust(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """Who must be trusted, and for what, with the versions that are installed here."""
    return (*TRUST, ("libraries", f"the clip, the accounting and the signatures: {libraries()}"))


def libraries() -> str:
    """Names and versions, as installed where the sheet was made."""
    return ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)


def headline(sheet: Sheet) -> str:
    """The sheet in one sentence."""
    claim = sheet.claim
    if sheet.standing == "refuted":
        return "Nothing is claimed: what this run says and what its ledgers hold do not agree."
    figures = f"epsilon {claim.epsilon:.4g} at delta {claim.delta:g}".replace("e-0", "e-")
    if sheet.standing == "simulated":
        return f"NOT a claim. Exact noise of this size would give {figures}; this run's does not."
    return (
        f"One patient, added or removed, changes what any one clinic released by no more than "
        f"{figures}, over {counted(claim.releases, 'release')}."
    )


def audit_in_words(sheet: Sheet) -> str:
    """What the attack on the release path found, or that there was none."""
    audit = sheet.audit
    if audit is None:
        return "Not run: no audit was given with --audit. The figures rest on accounting alone."
    flagged = sum(one["flagged"] for one in audit["planted"].values())
    return (
        f"{'Passed' if not sheet.audit_failed else 'FAILED'}: one release of claimed epsilon "
        f"{audit['claimed_epsilon']:.3f} was attacked; the attack proves at least "
        f"{audit['lower_bound_epsilon']:.3f}. Of {len(audit['planted'])} planted faults "
        f"{flagged} were flagged. It attacked the program, not this run."
    )


def audit_rows(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """Each thing that was attacked and what came of it, as (topic, finding); none without audit."""
    audit = sheet.audit
    if audit is None:
        return ()
    bound = "at least epsilon {:.3f} is shown, {}".format
    shown = audit["lower_bound_epsilon"]
    verdict = "and the claim stands" if shown <= audit["claimed_epsilon"] else "ABOVE THE CLAIM"
    rows = [(f"as shipped, claim {audit['claimed_epsilon']:.3f}", bound(shown, verdict))]
    for name, one in audit["planted"].items():
        seen = "flagged" if one["flagged"] else "NOT SEEN"
        rows.append((f"planted: {name.replace('_', ' ')}", seen))
    return (*rows, *_read(audit), *_watched(audit))


def _read(audit: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What can be read of a patient's glucose; nothing where an older audit did not try."""
    one = audit.get("inversion")
    if one is None:
        return ()
    words = (
        f"two hours of glucose read out of one gradient are wrong by "
        f"{one['bare_error_mg_dl']:.2f} mg/dL without noise, by "
        f"{one['private_error_mg_dl']:.0f} with it; a guess is wrong by {one['guess_mg_dl']:.0f}"
    )
    return (("gradient inversion", words),)


def _watched(audit: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """One run with canaries, and what it cannot see; nothing where the audit was not a nightly."""
    one = audit.get("monitoring")
    if one is None:
        return ()
    blind = "so it could falsify the claim" if one["can_falsify"] else "so it cannot falsify it"
    words = (
        f"monitoring, no proof: of claimed epsilon {one['claimed_epsilon']:g} one run with "
        f"{one['canaries']} canaries shows {one['bound_epsilon']:.2f}, at the very most it could "
        f"show {one['ceiling_epsilon']:.2f}, {blind}; Gaussian estimate, no bound: "
        f"{one['estimate_epsilon']:.2f}"
    )
    return (("canaries", words),)


def counted(number: int, thing: str) -> str:
    """One release, two releases."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def registry_entry(sheet: Sheet) -> dict[str, Any]:
    """An entry after the topics of public registries of deployments (arXiv 2509.13509).

    Keys are our own: the registry's hosts had not fixed a file format. `None` is not known.
    """
    claim = sheet.claim
    return {
        "form": "insula-dp-deployment/1",
        "name": sheet.protocol.study,
        "status": {"standing": sheet.standing, "disagreements": list(sheet.disagreements)},
        "data": {
            "subjects": "people with or at risk of diabetes",
            "curators": [one.clinic for one in claim.clinics],
            "declared_subjects": sum(one.declared_patients for one in sheet.protocol.members),
        },
        "product": {"kind": "model weights", "released": sheet.protocol.release.model_dump()},
        "model": {"trust": "local-site", "noise_added_by": "each clinic, in full", "server": None},
        "flavour": {"definition": "approximate DP", "through": "mu-GDP", "mu": claim.mu},
        "privacy_unit": {"unit": claim.unit, "adjacency": claim.adjacency, "scope": "per clinic"},
        "privacy_loss": {"epsilon": claim.epsilon, "delta": claim.delta},
        "mechanism": {
            "name": "discrete Gaussian on a grid of C/65536",
            "noise": sheet.protocol.privacy.noise,
            "sigma": list(claim.sigmas),
            "releases": claim.releases,
            "subsampling": None,
        },
        "accounting": {"exact": "closed form of mu-GDP", "checked_by": "privacy loss distribution"},
        "implementation": {"open_source": True, "libraries": libraries()},
        "audit": sheet.audit and {key: sheet.audit[key] for key in ("passed", "claimed_epsilon")},
        "protocol_sha256": sheet.protocol.digest(),
    }


def dpia(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """Facts for a data protection impact assessment, as (topic, fact)."""
    protocol, claim = sheet.protocol, sheet.claim
    risk = "unknown: the ledgers were not borne out"
    if claim.meaning is not None and sheet.standing == "claim":
        risk = (
            f"an attacker who knows everybody else and is wrong about 1 % of non-members finds at "
            f"most {100 * claim.meaning.true_positive_rate:.1f} % of members"
        )
    elif sheet.standing == "simulated":
        risk = "not bounded: the noise was simulated, so only virtual or public people may be used"
    return (
        ("Purpose", f"one shared forecast body in study {protocol.study}; research, no treatment"),
        ("Data", "glucose, insulin and meals of each patient, read and kept at the clinic"),
        (
            "What leaves",
            f"{counted(claim.releases, 'vector')} of {protocol.release.dimension} numbers",
        ),
        ("Who receives it", "the coordinating server, then every clinic of the study"),
        ("Residual risk", f"membership: {risk}"),
        ("Measures", "clipping, noise at the clinic, a signed ledger, one gate, a budget's cap"),
        ("Retention", "a release cannot be called back; a patient who leaves is in no later one"),
        ("Evidence", f"{sum(one.ledger.records for one in claim.clinics)} ledger records verified"),
        ("Not covered", "; ".join(topic for topic, _ in NOT_COVERED)),
        ("Standing of this annex", NO_COMPLIANCE),
    )


def dpia_text(sheet: Sheet) -> str:
    """The annex as plain text."""
    return "".join(f"{topic}\n    {fact}\n" for topic, fact in dpia(sheet))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed here"
