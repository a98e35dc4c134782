"""The images are built from hashes and a named base, run as nobody, and hold what they may."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Check = Callable[[str], list[str]]
FILES = ("docker/client.Dockerfile", "docker/server.Dockerfile")
TARGETS = {"agent", "relay", "server"}
NOT_IN_A_RELAY = {"torch", "numba", "llvmlite", "pandas", "pyarrow", "scipy", "opacus"}


def steps(text: str) -> list[str]:
    """The instructions of a Dockerfile, one a line, without comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [step for step in "\n".join(lines).replace("\\\n", "").splitlines() if step.strip()]


def stages(text: str) -> dict[str, list[str]]:
    """The instructions of each named stage."""
    found: dict[str, list[str]] = {}
    name = ""
    for step in steps(text):
        if step.startswith("FROM "):
            name = step.split(" AS ")[1]
        found.setdefault(name, []).append(step)
    return found


def named_bases(text: str) -> list[str]:
    """Bases other than the one that the builder names, or a default for it."""
    own = stages(text).keys()
    wrong = [step for step in steps(text) if re.match(r"ARG BASE_IMAGE.+", step)]
    for step in steps(text):
        if step.startswith("FROM ") and step.split()[1] not in {"${BASE_IMAGE}", *own}:
            wrong.append(step)
    return wrong


def loose_packages(text: str) -> list[str]:
    """Installations that do not hold pip to the hashes, or that build what they fetch."""
    bound = ("--require-hashes", "--only-binary :all:", "--no-deps", "--requirement /opt/insula/")
    return [
        f"no {flag} in: {step}"
        for step in steps(text)
        if re.search(r"\binstall\b", step) and "pip" in step
        for flag in bound
        if flag not in step
    ] + [step for step in steps(text) if re.search(r"\b(apt-get|curl|wget|ADD)\b", step)]


def privileged_targets(text: str) -> list[str]:
    """Images that start as root, as a user without a number, or with no fixed entry point."""
    return [
        f"{name}: no {wanted}"
        for name, own in stages(text).items()
        if name in TARGETS
        for wanted in ("USER 10001:10001", "ENTRYPOINT")
        if not any(step.startswith(wanted) for step in own)
        or [step for step in own if step.startswith("USER")] != ["USER 10001:10001"]
    ]


def talkative_flower(text: str) -> list[str]:
    """Images with Flower that report home, ask for updates or can install at run time."""
    quiet = (
        "FLWR_TELEMETRY_ENABLED=0",
        "FLWR_DISABLE_UPDATE_CHECK=1",
        "uninstall --quiet --yes uv",
    )
    return [
        f"{name}: no {each}"
        for name, own in stages(text).items()
        if any("requirements-relay" in step for step in own)
        for each in quiet
        if not any(each in step for step in own)
    ]


CHECKS: list[Check] = [named_bases, loose_packages, privileged_targets, talkative_flower]

LAWFUL_INSTALL = (
    "RUN python3 -m pip install --no-deps --require-hashes --only-binary :all: "
    "--requirement /opt/insula/requirements-relay.txt && pip uninstall --quiet --yes uv"
)
LAWFUL = "\n".join(
    [
        "ARG BASE_IMAGE",
        "FROM ${BASE_IMAGE} AS base",
        "FROM base AS relay",
        LAWFUL_INSTALL,
        "ENV FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1",
        "USER 10001:10001",
        'ENTRYPOINT ["x"]',
    ]
)
PLANTED: list[tuple[Check, str, str]] = [
    (named_bases, "ARG BASE_IMAGE\n", "ARG BASE_IMAGE=python:3.11-slim\n"),
    (named_bases, "FROM ${BASE_IMAGE}", "FROM python:latest"),
    (loose_packages, "--require-hashes", ""),
    (loose_packages, "--only-binary :all:", ""),
    (loose_packages, "--no-deps", ""),
    (loose_packages, "--requirement /opt/insula/requirements-relay.txt", "flwr"),
    (loose_packages, "USER", "RUN apt-get install nano\nUSER"),
    (loose_packages, "USER", "ADD http://a/b /c\nUSER"),
    (privileged_targets, "USER 10001:10001", ""),
    (privileged_targets, "USER 10001:10001", "USER root"),
    (privileged_targets, "USER 10001:10001", "USER 10001:10001\nUSER 0"),
    (privileged_targets, 'ENTRYPOINT ["x"]', ""),
    (talkative_flower, "FLWR_TELEMETRY_ENABLED=0", ""),
    (talkative_flower, "FLWR_DISABLE_UPDATE_CHECK=1", ""),
    (talkative_flower, "pip uninstall --quiet --yes uv", "true"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_dockerfiles_keep_the_rule(check: Check, name: str, repository: Path) -> None:
    wrong = check((repository / name).read_text(encoding="utf-8"))
    assert not wrong, "\n".join([str(check.__doc__), *wrong])


@pytest.mark.parametrize(("check", "lawful", "planted"), PLANTED)
def test_each_guard_sees_what_it_guards_against(check: Check, lawful: str, planted: str) -> None:
    assert lawful in LAWFUL
    assert check(LAWFUL) == []
    assert check(LAWFUL.replace(lawful, planted)) != []


def test_agent_and_server_share_their_first_layers(repository: Path) -> None:
    client, server = (stages((repository / name).read_text(encoding="utf-8")) for name in FILES)
    assert client["base"] == server["base"]
    assert client["packages"] == server["packages"]


def test_an_agent_holds_no_flower_and_a_server_no_simulations(repository: Path) -> None:
    client, server = (stages((repository / name).read_text(encoding="utf-8")) for name in FILES)
    assert not any(
        "flwr" in step.lower() or "requirements-relay" in step for step in client["agent"]
    )
    assert not any("COPY" in step and "simulations" in step for step in server["server"])
    assert [step.split()[-1] for step in client["relay"] if step.startswith("COPY")] == [
        "/opt/insula/",
        "/opt/insula/bin/",
    ]


def locked(repository: Path, image: str) -> dict[str, tuple[str, str]]:
    """Version and digest of every package of an image."""
    text = (repository / "docker" / f"requirements-{image}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    matches = [
        re.fullmatch(r"([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})", line) for line in lines
    ]
    assert None not in matches, lines
    return {canonicalize_name(m[1]): (m[2], m[3]) for m in matches if m is not None}


@pytest.mark.parametrize("image", ["agent", "relay"])
def test_every_package_has_a_hash_and_the_version_of_the_constraints(
    image: str, repository: Path
) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    pinned: dict[str, str] = {canonicalize_name(name): version for name, version in pairs}
    found = {name: version for name, (version, _) in locked(repository, image).items()}
    # The images take torch's CPU build, whose version says so.
    plain = {name: version.removesuffix("+cpu") for name, version in found.items()}
    assert plain == {name: pinned.get(name) for name in plain}


def test_every_package_that_the_project_asks_for_is_in_an_image(repository: Path) -> None:
    """But what the rivals in simulations/ need; docker/lock.py writes the files anew."""
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    asked = [Requirement(each) for each in tomllib.loads(text)["project"]["dependencies"]]
    wanted = {canonicalize_name(each.name) for each in asked} - {"scikit-learn"}
    installed = locked(repository, "agent").keys() | locked(repository, "relay").keys()
    assert wanted - installed == set()


def test_both_images_take_the_same_files(repository: Path) -> None:
    agent, relay = locked(repository, "agent"), locked(repository, "relay")
    both = agent.keys() & relay.keys()
    assert {name: agent[name] for name in both} == {name: relay[name] for name in both}


def test_each_image_holds_what_it_needs_and_not_what_it_must_not(repository: Path) -> None:
    agent, relay = locked(repository, "agent"), locked(repository, "relay")
    assert {"flwr", "grpcio", "ray", "scikit-learn", "httpx", "uvicorn"} & agent.keys() == set()
    assert {
        "torch",
        "numba",
        "pandas",
        "pyarrow",
        "opacus",
        "cryptography",
        "tzdata",
    } <= agent.keys()
    assert agent["torch"][0].endswith("+cpu")
    assert not [name for name in agent if name.startswith(("nvidia", "triton"))]
    assert relay.keys() & NOT_IN_A_RELAY == set()
    assert {"flwr", "numpy"} <= relay.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("client.app", NOT_IN_A_RELAY),
        ("client.site_serve", {"flwr", "grpc"}),
        ("client.cli", {"flwr", "grpc"}),
    ],
)
def test_what_an_image_runs_needs_nothing_the_image_lacks(
    module: str, absent: set[str], repository: Path
) -> None:
    """The imports of a process that starts with this module, all of them."""
    told = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    command = [sys.executable, "-c", told]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert absent & set(done.stdout.split()) == set()


def test_the_build_sees_no_data_and_no_keys(repository: Path) -> None:
    lines = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        source
        for name in FILES
        for step in steps((repository / name).read_text(encoding="utf-8"))
        if step.startswith("COPY ")
        for source in step.split()[1:-1]
    }
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {source.split("/")[0] for source in copied} == allowed
