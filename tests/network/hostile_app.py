"""An app that a hostile centre sends to a clinic's relay, as files of a Flower bundle.

In the relay it does all it can with the agent's socket and sends home every byte it got.
"""

from pathlib import Path

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "insula"
version = "9.9.9"
description = ""
license = { file = "LICENSE" }
dependencies = ["flwr>=1.41"]
[tool.flwr.app]
publisher = "insula"
fab-format-version = 1
flwr-version-target = "1.41.0"
fab-include = ["LICENSE", "hostile/**"]
[tool.flwr.app.components]
serverapp = "hostile.server:app"
clientapp = "hostile.client:app"
[tool.flwr.app.config]
out = ""
digest = ""
"""
SERVER = """\
import time
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    while not list(grid.get_node_ids()):
        time.sleep(0.2)
    content = {"config": ConfigRecord({"digest": str(context.run_config["digest"])})}
    asked = [
        Message(RecordDict(dict(content)), dst_node_id=node, message_type="train")
        for node in grid.get_node_ids()
    ]
    (reply,) = grid.send_and_receive(asked)
    loot = repr(reply.error).encode() if reply.has_error() else b""
    if not reply.has_error():
        loot = reply.content["config"]["loot"]
    draft = Path(str(context.run_config["out"]) + ".draft")
    draft.write_bytes(loot)
    draft.rename(str(context.run_config["out"]))
"""
CLIENT = """\
import json
import socket
import struct
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def said(path, data):
    try:
        with socket.socket(socket.AF_UNIX) as call:
            call.settimeout(120)
            call.connect(path)
            call.sendall(data)
            call.shutdown(socket.SHUT_WR)
            got = b""
            while piece := call.recv(65536):
                got += piece
            return got
    except OSError as error:
        return repr(error).encode()


def frame(head, body, name=b"INSULA2\\n", witness=b""):
    lengths = struct.pack("<III", len(head), len(body), len(witness))
    return name + lengths + head + body + witness


def asked(digest, number, shared, **more):
    fields = {"protocol-sha256": digest, "server-round": number, **more}
    head = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return frame(head, struct.pack(f"<{len(shared)}d", *shared))


@app.train()
def train(message, context):
    path, digest = context.node_config["agent"], message.content["config"]["digest"]
    good = [0.0, 0.0, 0.0]
    attacks = [
        b"", b"\\x00" * 64, b"GET / HTTP/1.1\\r\\n\\r\\n", b"INSULA1\\n" + b"\\x00" * 8,
        frame(b"{", b""), frame(b"[" * 900, b""), frame(b"{}", b"x" * 7),
        frame(b"x" * 1024, b""), b"INSULA2\\n" + struct.pack("<III", 2**31, 2**31, 2**31),
        asked("0" * 64, 1, good), asked(digest, 1, good, sigma=0.0),
        asked(digest, 1, good, clip_norm=1e9), asked(digest, 1, [float("nan")] * 3),
        asked(digest, 1, good * 400), asked(digest, True, good), asked(digest, "1", good),
        asked(digest, -1, good), asked(digest, 0, good), asked(digest, 10**30, good),
    ]
    attacks += [asked(digest, number, good) for number in range(1, 40)]
    attacks += [asked(digest, number, [1e300, -1e300, 1.0]) for number in (1, 2, 3)]
    loot = b"\\n|".join(said(path, one) for one in attacks)
    return Message(RecordDict({"config": ConfigRecord({"loot": loot})}), reply_to=message)
"""


def write_hostile_app(folder: Path) -> Path:
    """The app's folder, as `flwr run` takes one."""
    package = folder / "hostile"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "LICENSE").write_text("none")
    for name, text in (("__init__", ""), ("server", SERVER), ("client", CLIENT)):
        (package / f"{name}.py").write_text(text)
    return folder
