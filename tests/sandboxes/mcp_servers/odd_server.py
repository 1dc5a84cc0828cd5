"""An MCP server by hand, without the SDK, that misbehaves as its arguments say."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

MODE = sys.argv[1]
DATA = sys.argv[2] if len(sys.argv) > 2 else ""
STARTED = str(time.monotonic_ns())
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


def write(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def read() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return json.loads(line)


def notify(method: str, **params: Any) -> None:
    write({"method": method, "params": params})


def ask(method: str, **params: Any) -> dict[str, Any]:
    """Ask the client for something, and return its answer."""
    write({"id": f"our-{method}", "method": method, "params": params})
    while (answer := read()).get("id") != f"our-{method}":
        pass
    return answer


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"To {name}.", "inputSchema": TEXT, **more}


def tools() -> list[dict[str, Any]]:
    named = [tool(name.removeprefix("do_")) for name in globals() if name.startswith("do_")]
    if MODE == "changed":
        named = [one for one in named if one["name"] not in ("echo", "sleep")]
        named += [{**tool("echo"), "name": "repeat"}, tool("invent"), tool("sleep", title="x")]
        named[-1]["description"] = "To rest."
    if MODE == "names":
        named = [tool("files.read"), tool("files/write", annotations={"destructiveHint": True})]
    return named


def text(*said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": one} for one in said], **more}


def do_echo(said: str) -> dict[str, Any]:
    return text(said)


def do_fail(said: str) -> dict[str, Any]:
    return text(said, isError=True)


def do_parts(_: str) -> dict[str, Any]:
    blob = base64.b64encode(b"x" * 10).decode()
    return {
        "content": [
            {"type": "text", "text": "first"},
            {"type": "image", "data": blob, "mimeType": "image/png"},
            {"type": "audio", "data": blob, "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "x://t", "text": "é", "mimeType": "text/x"}},
            {"type": "resource", "resource": {"uri": "x://b", "blob": blob}},
            {"type": "text", "text": "last"},
        ]
    }


def do_structured(_: str) -> dict[str, Any]:
    return {"content": [], "structuredContent": {"rows": [1, 2]}}


def do_nonsense(_: str) -> dict[str, Any]:
    return {"content": "none"}


def do_much(said: str) -> dict[str, Any]:
    return text("é" * int(said))


def do_sleep(_: str) -> None:
    """Never answer, but be there."""


def do_hang(_: str) -> NoReturn:
    while True:
        time.sleep(60)


def do_die(said: str) -> NoReturn:
    sys.stderr.write(said)
    sys.stderr.flush()
    os._exit(1)


def do_junk(said: str) -> dict[str, Any]:
    sys.stdout.write("debug: \xff\n\n{}\n[1]\n" + "-" * int(said) + "\n")
    return text("said anyway")


def do_flood(_: str) -> NoReturn:
    while True:
        notify("notifications/message", level="info", data="x" * 1000)


def do_answers(_: str) -> NoReturn:
    number = 10**6
    while True:
        number += 1
        write({"id": number, "result": {}})


def do_endless(_: str) -> NoReturn:
    while True:
        sys.stdout.write("x" * 2**16)


def do_chatter(_: str) -> dict[str, Any]:
    notify("notifications/message", level="warning", logger="odd", data={"a": 1})
    notify("notifications/progress", progressToken="none", progress=0.5)
    notify("notifications/tools/list_changed")
    notify("notifications/made-up", a=1)
    write({"id": "nobody-asked", "result": {}})
    return text("after the chatter")


def do_sample(_: str) -> dict[str, Any]:
    asked = [
        ask("sampling/createMessage", messages=[], maxTokens=1),
        ask("roots/list"),
        ask("elicitation/create", message="Your password?", requestedSchema=TEXT),
        ask("made/up"),
    ]
    return text(*(f"{one['error']['code']} {one['error']['message']}" for one in asked))


def do_files(said: str) -> dict[str, Any]:
    return text(*sorted(str(path.relative_to(DATA)) for path in Path(DATA).rglob(said)))


def do_write(said: str) -> dict[str, Any]:
    try:
        Path(said).write_text("x")
    except OSError as error:
        return text(error.strerror or "", isError=True)
    return text("written")


def do_environment(_: str) -> dict[str, Any]:
    return text(*sorted(os.environ))


def do_fork(said: str) -> dict[str, Any]:
    """Leave so many processes, each in a session of its own; a name makes them known."""
    count, _, name = said.partition(" ")
    code = "import time; print('up', flush=True); time.sleep(600)"
    for _ in range(int(count)):
        started = subprocess.Popen(
            [sys.executable, "-c", code, name],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert started.stdout is not None
        started.stdout.readline()
    return text("forked")


def do_fork_and_hang(said: str) -> None:
    do_fork(said)
    do_hang("")


def do_allocate(said: str) -> NoReturn:
    held = bytearray(int(said))
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    do_hang("")


def do_started(_: str) -> dict[str, Any]:
    return text(STARTED)


def answer_without_handshake(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """As the protocol has it since 2026-07-28."""
    cached = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    if method == "server/discover":
        return {**cached, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    if method == "tools/list":
        return {**cached, "tools": tools()}
    if method == "tools/call":
        said = params["arguments"]["text"]
        return {**globals()[f"do_{params['name']}"](said), "resultType": "complete"}
    raise ValueError(method)


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if MODE == "new":
        return answer_without_handshake(method, params)
    if method == "initialize":
        version = {"old": "2024-11-05", "unknown": "1999-01-01"}.get(MODE, "2025-06-18")
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "odd", "version": "0"}
        return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
    if method == "tools/list" and MODE in ("pages", "endless-pages"):
        at = int(params.get("cursor", 0))
        after = at + 2 if at + 2 < len(tools()) else None
        if MODE == "endless-pages":
            return {"tools": [], "nextCursor": str(at + 1)}
        return {"tools": tools()[at : at + 2], **({"nextCursor": str(after)} if after else {})}
    if method == "tools/list":
        return {"tools": tools()}
    if method == "ping":
        return {}
    return globals()[f"do_{params['name']}"](params.get("arguments", {}).get("text", ""))


def main() -> None:
    if MODE == "never-starts":
        sys.exit("no such thing")
    if MODE == "junk":
        sys.stdout.write("Welcome to odd!\n\n")
    while True:
        message = read()
        if "id" not in message or "method" not in message:
            continue
        try:
            result = answer(message["method"], message.get("params", {}))
        except (OSError, ValueError) as error:
            fault = {"code": -32603, "message": f"{type(error).__name__}: {error}"}
            write({"id": message["id"], "error": fault})
        else:
            if result is not None:
                write({"id": message["id"], "result": result})


main()
