"""Which test runs each command that stands in a block of a document.

A test that types a page asks `typed_by` for its lines, so that what is listed as typed is typed. A
test that runs a command with paths or people of its own is listed with the words by which the
command stands in its source. tests/test_docs.py goes red for a command that is not listed, for a
test that is not there, and for words that its source lacks.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FENCE = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
ROOT = Path(__file__).resolve().parents[1]

How = Literal["typed", "same", "smaller", "translated"]
"""As it stands in the page; with other paths, names or hosts; with fewer people, rounds or draws;
or, for Docker's commands, through simulations/containers/engine.py under Docker or Podman, because
a build machine may have no Docker engine and no Compose."""


@dataclass(frozen=True)
class Run:
    """One test, as FILE::NAME (a script as FILE), and the words of the command in its source.

    `source` is the file that has the words, if it is not the test's own.
    """

    test: str
    how: How = "typed"
    words: str = ""
    source: str = ""

    @property
    def file(self) -> str:
        """The file in which the words stand."""
        return self.source or self.test.split("::")[0]


CI = ".ci/run"
HOSPITAL = "tests/client/test_hospital_it.py::test_a_newcomer_reaches_ready"
AUDITOR = "tests/test_reader_pages.py::test_an_auditor_follows_the_page"
RUN_PAGES = "tests/test_reader_pages.py::test_commands_on_a_run_are_typed"
TWIN_PAGES = "tests/test_reader_pages.py::test_a_clinicians_pages_are_typed"
PROTOCOL_PAGES = "tests/test_reader_pages.py::test_signatures_and_plans_are_typed"
COORDINATOR = (
    "tests/simulations/test_rehearsal_cli.py::test_the_page_leads_from_a_protocol_to_a_report"
)
AUDIT = Run(
    "tests/study/test_audit_cli.py::test_the_command_prints_the_claim_beside_what_was_shown",
    "smaller",
    '"privacy", "audit", "--trials", "1000"',
)
NETWORK = "tests/network/test_killed.py::"
NETWORK += "test_each_process_is_killed_once_and_the_bytes_are_those_of_a_quiet_day"
STUDY = "tests/network/real_study.py"
SMOKE = "tests/simulations/containers/test_smoke.py::"
SMOKE += "test_the_study_runs_in_real_containers_and_keeps_its_promise"
SMOKE_SOURCE = "simulations/containers/smoke.py"
ENGINE = "simulations/containers/engine.py"
COMMANDS = "tests/simulations/test_commands.py"


def _ci(line: str) -> Run:
    return Run(CI, "same", line)


def _share() -> Run:
    return Run(f"{COMMANDS}::test_share", "smaller", '"share", "tiny.yaml"')


DOCUMENTED: dict[str, dict[str, Run]] = {
    "README.md": {
        "make demo": _ci("make demo"),
        "make setup": _ci("make setup"),
        "make quick": _ci("make quick"),
        "make test": _ci("make test"),
        # Hours. Its recipe is these two commands; tests/test_project.py sees that it is.
        "make studies": Run(
            "tests/simulations/test_experiment.py::test_the_command_says_what_it_wrote",
            "smaller",
            'app, ["run", str(path), "--out"',
        ),
        "make bench": Run(
            "tests/simulations/test_bench.py::test_the_command_writes_the_page_too",
            "smaller",
            'bench.main(["--out"',
        ),
    },
    "docs/auditor.md": {
        "insula study check protocol.yaml --agreement agreement.json": Run(AUDITOR),
        "insula privacy plan --epsilon 8 --delta 1e-5 --rounds 2": Run(AUDITOR),
        "insula privacy verify RUN": Run(AUDITOR),
        "insula privacy verify RUN/clinics/east/ledger --key PUBLIC_KEY": Run(AUDITOR),
        "insula privacy claim RUN": Run(AUDITOR),
        "insula privacy audit --json": AUDIT,
    },
    "docs/claim.md": {
        "insula privacy claim runs/demo --registry": Run(RUN_PAGES),
        "insula privacy audit --json > audit.json && "
        "insula privacy claim runs/demo --audit audit.json": Run(
            "tests/server/test_claim_cli.py::test_every_attack_stands_beside_the_claim",
            "same",
            '"privacy", "claim", str(run), "--audit"',
        ),
        "insula study keygen coordinator.key": Run(PROTOCOL_PAGES),
        "insula study sign study/protocols/demo.yaml --key coordinator.key "
        "--out agreement.json": Run(PROTOCOL_PAGES),
        "insula study countersign agreement.json --key site.key --policy policy.yaml "
        "--clinic harbour --coordinator KEY --ledger ledger": Run(PROTOCOL_PAGES),
        "insula study check study/protocols/demo.yaml --agreement agreement.json": Run(
            PROTOCOL_PAGES
        ),
    },
    "docs/containers.md": {
        "export INSULA_BASE_IMAGE=python:3.11-slim@sha256:...": Run(
            SMOKE, "same", '"INSULA_BASE_IMAGE"', SMOKE_SOURCE
        ),
        **{
            f"docker build -f docker/{file}.Dockerfile {target}-t insula-{image} "
            "--build-arg BASE_IMAGE=$INSULA_BASE_IMAGE .": Run(
                SMOKE, "translated", '["build", *own, *words', ENGINE
            )
            for file, target, image in (
                ("client", "--target agent ", "agent"),
                ("client", "--target relay ", "relay"),
                ("server", "", "server"),
            )
        },
        "docker/smoke": Run(SMOKE, "same", '"docker" / "smoke"'),
    },
    "docs/coordinator.md": dict.fromkeys(
        (
            "insula study new islands.yaml --clinic harbour=3 --clinic lagoon=3",
            "insula study check islands.yaml",
            "insula study rehearse islands.yaml --repeats 2",
            "insula study dashboard runs/islands-rehearsal/repeat-1",
            "insula study keygen coordinator.key",
            "insula study sign islands.yaml --key coordinator.key",
            "insula study check islands.yaml --agreement agreement.json",
            "insula study report runs/islands-rehearsal/repeat-1",
            "insula privacy verify runs/islands-rehearsal/repeat-1",
        ),
        Run(COORDINATOR),
    ),
    "docs/deployment.md": {
        "insula study certificates tls --host study.example.org": Run(PROTOCOL_PAGES),
        "insula study keygen coordinator.key": Run(PROTOCOL_PAGES),
        "insula study start protocol.yaml --out runs/first --tls tls --nodes nodes.yaml "
        "--port 9092": Run(NETWORK, "same", '"study", "start"', STUDY),
        "insula site serve SITE": Run(
            NETWORK, "same", '"site", "serve"', "tests/client/made_site.py"
        ),
        "insula site relay SITE": Run(NETWORK, "same", '"site", "relay"', STUDY),
        "insula study status runs/first": Run(NETWORK, "same", '"study", "status"', STUDY),
        "insula study resume runs/first": Run(NETWORK, "same", '"study", "resume"', STUDY),
    },
    "docs/hospital-it.md": {
        **dict.fromkeys(
            (
                "make setup",
                'export PATH="$PWD/.venv/bin:$PATH"',
                "insula site init site --clinic harbour --server study.example.org:9092 "
                "--ca ca.pem",
                "insula site check site --only network",
                "insula site import exports --layout uom --time-zone Europe/London --out site",
                "cp protocol.yaml agreement.json site/",
                "insula study check site/protocol.yaml --agreement site/agreement.json",
                "digest=$(insula study check site/protocol.yaml)",
                'sed -i "s/^approved_protocols: .*/approved_protocols: [$digest]/" '
                "site/policy.yaml",
                "insula study countersign site/agreement.json --key site/site.key "
                '--policy site/policy.yaml --clinic harbour --coordinator "$COORDINATOR" '
                "--ledger site/ledger",
                "insula site serve site 2>> site/run/agent.txt &",
                "echo $! > site/run/agent.pid",
                "until test -S site/run/agent.sock || ! kill -0 $!; do sleep 1; done",
                "insula site check site",
                "insula site relay site",
                "insula site status site",
            ),
            Run(HOSPITAL),
        ),
        "cd site": Run(SMOKE, "translated", "smoke.made.site(", SMOKE_SOURCE),
        'docker run --rm --user $(id -u):$(id -g) --volume "$PWD/node:/site/node:ro" '
        "--env HTTPS_PROXY --env NO_PROXY IMAGE site check /site --only network": Run(
            SMOKE, "translated", '"site", "check", "/site", "--only", "network"', SMOKE_SOURCE
        ),
        "docker compose up --detach": Run(
            SMOKE, "translated", '["run", "--detach", "--name"', ENGINE
        ),
        "docker compose exec agent python /opt/insula/bin/insula site check /site --only site "
        "--socket /run/insula/agent.sock": Run(
            SMOKE,
            "translated",
            '"site", "check", "/site", "--only", "site", "--socket", "/run/insula/agent.sock"',
            SMOKE_SOURCE,
        ),
        "docker compose ps": Run(SMOKE, "translated", "self.engine.wait_healthy(", SMOKE_SOURCE),
    },
    "docs/privacy.md": {
        "insula privacy plan --epsilon 8 --delta 1e-5 --rounds 50 --sites 10 --patients 50": Run(
            PROTOCOL_PAGES
        ),
        "insula privacy plan --epsilon 4 --delta 1e-5 --rounds 50 --json": Run(PROTOCOL_PAGES),
        "insula privacy plan --release adapter --epsilon 8 --sites 4 --patients 18": Run(
            PROTOCOL_PAGES
        ),
        "insula privacy plan --epsilon 8 --rounds 1 --sites 4 --patients 18 --metrics 3 0.1 5": Run(
            PROTOCOL_PAGES
        ),
        "python -m pytest -q tests/privacy/test_metric.py tests/client/test_agent_metrics.py "
        "tests/simulations/test_metrics.py": _ci("make test"),
        "python -m pytest -q tests/privacy/test_gate.py tests/client/test_egress.py": _ci(
            "make test"
        ),
        "python -m simulations.bench --only bench_gate": Run(
            "tests/simulations/test_bench.py::test_one_module_alone", "same", '"--only"'
        ),
        "python -m pytest -q tests/client/test_agent_crash.py "
        "tests/privacy/test_ledger_crash.py": _ci("make test"),
        "insula privacy verify runs/demo": Run(RUN_PAGES),
        "insula privacy verify runs/demo/clinics/north/ledger --json": Run(RUN_PAGES),
        "insula privacy audit": AUDIT,
        "insula privacy audit --nightly --json": AUDIT,
        "insula simulate share study/protocols/virtual-children.yaml --release both": _share(),
        "insula simulate share study/protocols/virtual-adults.yaml --release adapter": _share(),
        "insula simulate share study/protocols/virtual-adults.yaml --release both "
        "--smaller 4 18": _share(),
        "insula simulate share study/protocols/virtual-children.yaml --release both "
        "--smaller 3 7 --splits 2": _share(),
        "insula simulate share study/protocols/manchester-madrid.yaml --data ../shared/data "
        "--release both": _share(),
        "insula simulate prior --size middle": Run(
            f"{COMMANDS}::test_prior", "smaller", '"prior", "--size", "middle"'
        ),
        "insula simulate sizes runs/shares/*.json --out study/artefacts/expected_share.json": Run(
            "tests/simulations/test_virtual_sizes.py::"
            "test_the_command_writes_a_table_that_plans_can_read",
            "same",
            '"simulate", "sizes"',
        ),
    },
    "docs/researcher.md": {
        "insula study new mine.yaml --clinic north=18 --clinic south=18": Run(PROTOCOL_PAGES),
        "insula simulate run study/protocols/demo.yaml --out runs/demo --seed 2": Run(
            CI, "same", "make demo"
        ),
        "insula study dashboard runs/demo": Run(
            "tests/server/test_dashboard_cli.py::"
            "test_it_serves_this_machine_and_ends_when_interrupted",
            "same",
            '"insula", "study", "dashboard"',
        ),
    },
    "docs/titration.md": {
        "insula simulate titration --people 30 --seeds 5 --out titration.md": Run(
            "tests/simulations/test_titration.py::"
            "test_the_command_lives_the_same_people_in_its_arms",
            "smaller",
            '"simulate", "titration"',
        ),
        "insula simulate dose-trial simulations/protocols/hybrid-twin.yaml --out trial.md": Run(
            "tests/simulations/test_dose_trial.py::test_the_command_runs_both_groups",
            "smaller",
            '"simulate", "dose-trial"',
        ),
    },
    "docs/bolus-trial.md": {
        "insula simulate bolus-trial simulations/protocols/bolus-advice.yaml --out bolus.md "
        "--keep runs/bolus": Run(
            "tests/simulations/test_bolus_trial.py::"
            "test_the_command_teaches_and_judges_and_goes_on_where_it_was",
            "smaller",
            '"simulate", "bolus-trial"',
        ),
    },
    "docs/scenarios.md": {
        "insula twin try 2307 docs/scenarios/earlier-breakfast-bolus.yaml "
        "--site sites/manchester --out answer.html": Run(TWIN_PAGES),
        "insula twin plan 2307 --site sites/manchester": Run(TWIN_PAGES),
        "insula twin effects 2307 --site sites/manchester": Run(
            "tests/client/test_own_effects.py::"
            "test_the_command_shows_this_person_beside_the_groups",
            "same",
            '"twin", "effects"',
        ),
    },
    "docs/site-check.md": dict.fromkeys(
        (
            "insula site check site",
            "insula site check site --only network",
            "insula site check site --only site",
        ),
        Run(HOSPITAL),
    ),
    "docs/streaming.md": {
        "insula twin follow 2307 --site sites/manchester --days 14": Run(TWIN_PAGES),
        "insula simulate streaming --world B --people 24": Run(
            f"{COMMANDS}::test_streaming", "smaller", '"streaming", "--world", "B"'
        ),
    },
    "docs/policies.md": {
        "insula simulate policy": Run(
            "tests/simulations/test_policies.py::test_the_command_judges_one_adult",
            "smaller",
            '"simulate", "policy"',
        ),
        "insula simulate policy --train --file mine.json": Run(
            "tests/simulations/test_policies.py::test_the_command_trains_and_writes",
            "smaller",
            '"simulate", "policy", "--train", "--file"',
        ),
    },
    "docs/studio.md": {
        "insula twin studio --site sites/manchester": Run(
            "tests/client/test_studio_cli.py::"
            "test_the_token_is_printed_once_and_the_studio_ends_when_interrupted",
            "same",
            '"insula", "twin", "studio"',
        ),
    },
    "docs/twin.md": {
        "insula twin card 2301 --site sites/manchester --out card.html": Run(TWIN_PAGES),
        "insula twin card --all --site sites/manchester --out cards": Run(TWIN_PAGES),
        "insula twin insulin 2403 Tresiba --site sites/manchester": Run(TWIN_PAGES),
    },
}


def fenced(page: Path) -> list[list[str]]:
    """The blocks of commands of a page, each as its lines without comments."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    return [[_bare(line) for line in block.splitlines() if _bare(line)] for block in blocks]


def _bare(line: str) -> str:
    return re.sub(r"(^|\s+)#\s.*$", "", line).strip()


def typed_by(test: str, page: str, root: Path = ROOT) -> list[list[str]]:
    """The blocks of a page without the lines that another test runs; empty blocks left out."""
    runs = DOCUMENTED[page]
    mine = [[line for line in block if runs[line].test == test] for block in fenced(root / page)]
    return [block for block in mine if block]
