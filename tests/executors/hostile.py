"""A framework plugin that attacks: it tries what it is told to, and reports what it got."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pluggy
import pydantic

import fleetgym
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.registry import RegisteredFramework

assert httpx.__file__
assert pluggy.__file__

_PLUGIN = """
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

@hookimpl
def register_frameworks(register):
    register(FrameworkSpec(
        name="hostile", entry_point="hostile_framework:Hostile", distributions=("hostile",),
        topologies=("single",), summary="attacks",
    ))
"""

_FRAMEWORK = '''
import ctypes, json, os, pathlib, signal, socket, subprocess, sys, threading, time

class Hostile:
    name = "hostile"
    topologies = ("single",)
    defaults = {"do": "nothing", "with": None}

    def warm(self):
        pass

    def versions(self):
        return {"hostile": "1"}

    def run(self, episode, topology, parameters):
        return json.dumps(getattr(self, parameters["do"])(parameters.get("with"), episode))

    def nothing(self, _, episode):
        return None

    def play(self, _, episode):
        number = int(episode.call("look", {"place": "here"}).content)
        episode.submit({"number": number})
        return episode.submitted

    def read(self, paths, episode):
        found = {}
        for path in paths:
            try:
                path = pathlib.Path(path)
                found[str(path)] = os.listdir(path) if path.is_dir() else path.read_text("latin-1")
            except OSError:
                pass
        return found

    def write(self, paths, episode):
        written = []
        for path in paths:
            try:
                pathlib.Path(path, "leak").write_text("leak")
                written.append(path)
            except OSError:
                pass
        return written

    def identity(self, _, episode):
        status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
        names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        libc = ctypes.CDLL(None, use_errno=True)
        return {
            "uid": os.getuid(), "euid": os.geteuid(), "gid": os.getgid(),
            "capabilities": {int(status[name], 16) for name in names} == {0},
            "no_new_privs": int(status["NoNewPrivs"]),
            "new_user_namespace": libc.unshare(0x10000000),
            "new_mounts": libc.unshare(0x20000),
            "unmounted": [libc.umount2(at, 0) for at in (b"/proc", b"/fleetgym/place")],
        }

    def processes(self, _, episode):
        """All that can be read of any process, this one apart, and who takes a signal."""
        read, signalled = [], []
        for pid in range(1, 5000):
            if pid == os.getpid():
                continue
            for name in ("environ", "mem", "cmdline", "root/etc", "fd"):
                try:
                    place = pathlib.Path("/proc", str(pid), name)
                    if os.listdir(place) if place.is_dir() else place.open("rb").read(1):
                        read.append(str(place))
                except OSError:
                    pass
            try:
                os.kill(pid, 0)
                signalled.append(pid)
            except OSError:
                pass
            if ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0:
                signalled.append(-pid)
        return {"read": read, "signalled": signalled, "names": [
            name for name in os.listdir("/proc") if name.isdecimal()]}

    def kill_all(self, _, episode):
        try:
            os.kill(-1, signal.SIGKILL)
        except OSError as error:
            return str(error)
        return "killed"

    def environment(self, _, episode):
        own = open("/proc/self/environ").read()
        return [*os.environ.values(), own]

    def connect(self, ports, episode):
        reached = []
        for port in ports:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as client:
                    client.settimeout(2)
                    try:
                        client.connect(("127.0.0.1", port))
                        client.send(b"x")
                        if kind == socket.SOCK_DGRAM:
                            client.recv(1)
                        reached.append([port, int(kind)])
                    except OSError:
                        pass
        return reached

    def listen_abstract(self, name, episode):
        server = socket.socket(socket.AF_UNIX)
        server.bind(chr(0) + name)
        server.listen()
        episode.call("look", {"place": "here"})
        threading.Event().wait()

    def connect_abstract(self, name, episode):
        try:
            socket.socket(socket.AF_UNIX).connect(chr(0) + name)
        except OSError as error:
            return type(error).__name__
        return "connected"

    def interfaces(self, _, episode):
        return [name for _, name in socket.if_nameindex()]

    def keep_secret(self, text, episode):
        self.secret = text
        os.environ["SECRET"] = text
        pathlib.Path("secret").write_text(text)
        pathlib.Path("/dev/shm/secret").write_text(text)
        episode.call("look", {"place": "here"})
        threading.Event().wait()

    def find_secret(self, text, episode):
        """Search every file that can be read, and every process."""
        found = []
        for top in ("/tmp", "/home", "/dev/shm", "/fleetgym", "/mnt", "/proc", "/run", "/var"):
            for folder, _, names in os.walk(top):
                for name in names:
                    if "/sys/" in folder or name in ("kmsg", "mem", "pagemap", "clear_refs"):
                        continue
                    try:
                        place = os.path.join(folder, name)
                        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
                        try:
                            if text.encode() in os.read(descriptor, 1 << 20):
                                found.append(place)
                        finally:
                            os.close(descriptor)
                    except OSError:
                        pass
        return found

    def fork_bomb(self, _, episode):
        while True:
            try:
                os.fork()
            except OSError:
                pass

    def memory_bomb(self, _, episode):
        kept = []
        while True:
            kept.append(bytearray(16 << 20))

    def shared_memory_bomb(self, _, episode):
        kept = []
        while True:
            child = os.fork()
            if child == 0:
                kept = bytearray(200 << 20)
                for index in range(0, len(kept), 4096):
                    kept[index] = 1
                threading.Event().wait()

    def disk_bomb(self, _, episode):
        for index in range(1_000_000):
            with open(str(index), "wb") as file:
                file.write(bytes(8 << 20))

    def print_bomb(self, _, episode):
        while True:
            os.write(1, b"x" * (1 << 20))

    def files_bomb(self, _, episode):
        return len([os.open("/dev/null", os.O_RDONLY) for _ in range(100_000)])

    def lie(self, report, episode):
        os.write(3, report.encode())
        os._exit(0)

    def lie_at_length(self, _, episode):
        while True:
            os.write(3, b"x" * (1 << 16))
'''


def install_hostile(folder: Path) -> RegisteredFramework:
    """Write the plugin and an environment for it into ``folder``, and return it."""
    source = folder / "source"
    meta = source / "hostile-1.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    (meta / "entry_points.txt").write_text("[fleetgym]\nhostile = hostile_plugin\n")
    (source / "hostile_plugin.py").write_text(_PLUGIN)
    (source / "hostile_framework.py").write_text(_FRAMEWORK)
    return RegisteredFramework(
        spec=FrameworkSpec(
            name="hostile",
            entry_point="hostile_framework:Hostile",
            distributions=("hostile",),
            topologies=("single",),
            summary="attacks",
        ),
        python=_environment(folder / "environment", source),
        versions={"hostile": "1"},
        defaults={},
    )


def _environment(folder: Path, source: Path) -> Path:
    """Return the interpreter of a virtual environment with the plugin and the base install."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    home = python.resolve().parent
    (folder / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    ours = Path(fleetgym.__file__).parents[1]
    packages = Path(pydantic.__file__).parents[1]
    (site / "all.pth").write_text(f"{source}\n{ours}\n{packages}\n")
    return python
