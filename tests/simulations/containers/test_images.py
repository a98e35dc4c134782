"""Where the images' base comes from, where pip looks in a build, and what an image may weigh."""

from pathlib import Path

import pytest

from simulations.containers import images
from simulations.containers.compose_file import Composed, Service
from simulations.containers.engine import Engine
from simulations.containers.images import base_image, build_all, over_budget, pip_words
from study.failure import Failure


def test_a_base_that_is_named_is_taken() -> None:
    assert base_image(Engine("docker"), "python@sha256:1") == "python@sha256:1"


def test_docker_makes_no_base_of_its_own() -> None:
    with pytest.raises(Failure, match="no base image named"):
        base_image(Engine("docker"), None)


def test_pip_looks_in_a_build_where_it_looks_here(tmp_path: Path) -> None:
    settings = {
        "PIP_FIND_LINKS": f"{tmp_path} https://wheels.example",
        "PIP_EXTRA_INDEX_URL": f"file://{tmp_path}",
        "PIP_CERT": "/etc/hosts",
    }
    assert pip_words(Engine("podman"), settings) == [
        *("--volume", f"{tmp_path}:{tmp_path}:ro"),
        *("--build-arg", f"PIP_FIND_LINKS={tmp_path} https://wheels.example"),
        *("--volume", "/etc/hosts:/etc/hosts:ro", "--build-arg", "PIP_CERT=/etc/hosts"),
    ]
    assert pip_words(Engine("docker"), settings) == [
        *("--build-arg", "PIP_FIND_LINKS=https://wheels.example")
    ]


def test_what_pip_says_of_itself_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ":env:.find-links='/a'\nglobal.extra-index-url='\\nx y'\nglobal.find-links='/b'\n"
    assert dict(images._settings(said)) == {"find-links": "/a", "extra-index-url": " x y"}
    monkeypatch.setenv("PIP_CERT", "/own")
    assert images.pip_settings()["PIP_CERT"] == "/own"


def test_each_image_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(Engine, "build", lambda self, one, root, more: built.append(one.name))
    monkeypatch.setattr(Engine, "size_mb", lambda self, image: 1.0)
    three = [Service(name, {"image": name[0]}, Path()) for name in ("a1", "a2", "b")]
    sizes = build_all(Engine("docker"), Composed(tuple(three), {}, {}), Path())
    assert (built, sizes) == (["a1", "b"], {"a": 1.0, "b": 1.0})


def test_an_image_over_its_budget_is_a_fault() -> None:
    lean = {"x/insula-relay": 450.0, "insula-agent:1": 2000.0, "agent.example/insula-server": 3e3}
    assert over_budget(lean) == []
    assert over_budget({"x/insula-relay": 451.0}) == [
        "x/insula-relay has 451 MB; its budget is 450"
    ]
    assert over_budget({"insula-agent": 2001.0}) != []
