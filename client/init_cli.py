"""`insula site init`: a clinic's folder, keys and policy."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.policy import POLICY
from client.site_folder import parse_settings
from client.site_init import NewSite, make_site


def init(
    site: Annotated[Path, typer.Argument(help="Site folder to make.")],
    clinic: Annotated[str, typer.Option(help="This clinic's name in the protocol.")],
    server: Annotated[str, typer.Option(help="The study's server, HOST:PORT.")],
    ca: Annotated[Path, typer.Option(help="Certificate of the study's CA, PEM.")],
    time_zone: Annotated[str, typer.Option(help="IANA zone in which times are told.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make a site folder: keys, a policy that allows nothing yet, settings. Nothing is overwritten.

    Prints the public keys that the coordinator needs. Secret keys stay in the folder; it is for its
    owner alone.

    Example: insula site init site --clinic harbour --server study.example.org:9092 --ca ca.pem
    """
    plain = {"clinic": clinic, "server": server, "time_zone": time_zone}
    made = make_site(site, parse_settings(plain, "the options"), ca)
    Console(stderr=True, highlight=False, soft_wrap=True).print(_in_words(made, site), markup=False)
    if as_json:
        print(json.dumps({"site": str(site), "clinic": clinic, **asdict(made)}))
        return
    print(f"node {made.node_public_key}")
    print(f"site {made.site_public_key}")
    print(f"ledger {made.ledger_public_key}")


def _in_words(made: NewSite, site: Path) -> str:
    return "\n".join(
        [
            f"Made in {site}: {', '.join(made.written)}.",
            f"The CA's SHA-256 is {made.ca_sha256}: compare it with the coordinator by telephone.",
            "Send the three public keys below to the coordinator. Back up the folder, as secret.",
            f"Next: insula site import EXPORTS --layout ... --time-zone ... --out {site}; "
            f"then read {site / POLICY}.",
        ]
    )
