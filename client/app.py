"""The relay: the only part of a clinic that the network reaches. It holds no data and no secret.

Each message goes over a Unix socket to the agent, and what the agent released goes back. Nothing
that fails here leaves as text: Flower would send an exception's words to the server.
"""

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client.framing import read_reply, request_frame
from privacy.canonical import RELEASE
from study.wire import (
    ARRAYS,
    CLINIC,
    CODE,
    CONFIG,
    PROTOCOL_SHA256,
    ROUND,
    SHARED,
    WITNESS,
    Code,
    Reply,
    Request,
)

PATIENCE_S = 3600.0
"""How long the relay waits for its agent; the server's deadline is usually sooner."""

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """One round: the agent's release, or a code."""
    return relay(message, lambda request: ask_agent(agent_socket(context), request))


def relay(message: Message, ask: Callable[[Request], Reply]) -> Message:
    """The reply to one message; `ask` reaches the agent, over a socket or directly."""
    try:
        request = request_of(message)
    except Exception:
        return Message(content_of(Reply("", Code.MALFORMED)), reply_to=message)
    try:
        content = content_of(ask(request))
    except Exception:
        content = content_of(Reply("", Code.NO_AGENT))
    return Message(content, reply_to=message)


def ask_agent(path: Path, request: Request) -> Reply:
    """The reply of the agent that listens at `path`."""
    with socket.socket(socket.AF_UNIX) as call:
        call.settimeout(PATIENCE_S)
        call.connect(str(path))
        call.sendall(request_frame(request))
        with call.makefile("rb") as answer:
            return read_reply(answer)


def agent_socket(context: Context) -> Path:
    """Where the agent listens: node config `agent`; in a rehearsal `agents`/PARTITION.sock."""
    if "agent" in context.node_config:
        return Path(str(context.node_config["agent"]))
    return Path(str(context.run_config["agents"])) / f"{context.node_config['partition-id']}.sock"


def request_of(message: Message) -> Request:
    """What the server asks; KeyError or ValueError if the message is not one of ours."""
    config = message.content.config_records[CONFIG]
    shared = message.content.array_records[ARRAYS][SHARED].numpy().astype(np.float64)
    round_number, digest = config[ROUND], config[PROTOCOL_SHA256]
    if type(round_number) is not int or type(digest) is not str:
        raise ValueError(f"found a message whose {ROUND} or {PROTOCOL_SHA256} is of another type")
    return Request(round_number, digest, shared, witness_of(config))


def content_of(reply: Reply) -> RecordDict:
    """A reply as Flower's records."""
    config = ConfigRecord({CLINIC: reply.clinic, CODE: int(reply.code)})
    if reply.witness:
        config[WITNESS] = reply.witness
    arrays = {} if reply.release is None else {RELEASE: Array(reply.release)}
    return RecordDict({CONFIG: config, ARRAYS: ArrayRecord(arrays)})


def witness_of(config: ConfigRecord) -> bytes:
    """The bytes about checkpoints in a message's settings; none if it has none."""
    witness = config.get(WITNESS, b"")
    if type(witness) is not bytes:
        raise ValueError(f"found a message whose {WITNESS} is of another type")
    return witness
