"""Programs that an agent runs with the tools `python` and `bash`, and that want out."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from arena import CANARY, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arena import Arena, Episode

PRELUDE = """
import ctypes, glob, os, socket, subprocess, sys, time, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def attempt(what, fine=lambda found: True):
    try:
        found = what()
    except Exception as error:
        print("refused:", type(error).__name__, str(error)[:200])
    else:
        print("ESCAPED:" if fine(found) else "nothing:", repr(found)[:300])
def read(path, size=65536):
    with open(path, "rb") as file:
        return file.read(size)
def others():
    return [p for p in os.listdir("/proc") if p.isdecimal() and int(p) != os.getpid()]
"""

PYTHON = {
    # files
    "a file of the host": "attempt(lambda: read('{file}'))",
    "another run's record": "attempt(lambda: read('{record}'))",
    "the directory of the runs": "attempt(lambda: os.listdir('{runs}'))",
    "the state directory": "attempt(lambda: os.listdir('{home}/cache'), bool)",
    "the ground truth": (
        "attempt(lambda: glob.glob('{home}/**/instance.json', recursive=True), bool)"
    ),
    "the ground truth beside the data": (
        "attempt(lambda: glob.glob('/sandbox/**/instance.json', recursive=True), bool)"
    ),
    "the sources": "attempt(lambda: os.listdir('{repository}/envs'), bool)",
    "shadow": "attempt(lambda: read('/etc/shadow'))",
    "homes": "attempt(lambda: os.listdir('/root') + os.listdir('/home'), bool)",
    "the daemon's socket": (
        "attempt(lambda: glob.glob('/run/*sock*') + glob.glob('/var/run/*sock*'), bool)"
    ),
    "what knows the answers": (
        "for name in ('fleetgym_env_cti_realm', 'fleetgym_graders', 'fleetgym_env_hostile'):\n"
        "    attempt(lambda: __import__(name).__file__, lambda found: found is not None)"
    ),
    "a symbolic link to the host": (
        "os.symlink('{file}', 'link'); attempt(lambda: read('link'))\n"
        "os.symlink('/proc/1/root{file}', 'link2'); attempt(lambda: read('link2'))"
    ),
    "a symbolic link out of the scratch space": (
        "os.symlink('/', 'out'); attempt(lambda: open('out/leak', 'w'))"
    ),
    "a hard link to the data": "attempt(lambda: os.link('/sandbox/data/telemetry.duckdb', 'link'))",
    "dots": "attempt(lambda: read('../' * 20 + '{file}'.lstrip('/')))",
    "file handles": (
        "h = (ctypes.c_char * 136)(); ctypes.c_uint.from_buffer(h).value = 128\n"
        "attempt(lambda: check(libc.open_by_handle_at(-100, h, 0)))"
    ),
    # writing
    "the task's data": "attempt(lambda: open('/sandbox/data/telemetry.duckdb', 'r+b'))",
    "the tool server's program": "import json; attempt(lambda: open(json.__file__, 'a'))",
    "the root": "attempt(lambda: open('/leak', 'w'))",
    "the kernel's parameters": (
        "attempt(lambda: open('/proc/sys/kernel/core_pattern', 'r+b'))\n"
        "found = [os.path.join(at, f) for at, _, files in os.walk('/proc/sys') for f in files]\n"
        "attempt(lambda: [path for path in found if os.access(path, os.W_OK)], bool)"
    ),
    "the magic key": "attempt(lambda: open('/proc/sysrq-trigger', 'r+b'))",
    "the control groups": (
        "attempt(lambda: [open(p, 'r+b') for p in glob.glob('/sys/fs/cgroup/**/release_agent',"
        " recursive=True)], bool)"
    ),
    "devices": "attempt(lambda: read('/dev/mem') or read('/dev/kmsg') or read('/dev/sda'))",
    "a device of its own": "attempt(lambda: os.mknod('mem', 0o20666, os.makedev(1, 1)))",
    # other processes
    "environments": ("attempt(lambda: [p for p in others() if b'{canary}' in seen(p)], bool)\n"),
    "its parents' memory": "attempt(lambda: read(f'/proc/{os.getppid()}/mem', 1))",
    "the first process's root": "attempt(lambda: read('/proc/1/root{file}'))",
    "its parents' descriptors": (
        "found = glob.glob(f'/proc/{server()}/fd/*')\n"
        "attempt(lambda: [os.open(path, os.O_RDWR) for path in found], bool)"
    ),
    "tracing the server": "attempt(lambda: check(libc.ptrace(16, server(), 0, 0)))",
    "tracing the first process": "attempt(lambda: check(libc.ptrace(16, 1, 0, 0)))",
    "the server's memory by a system call": (
        "buffer = ctypes.create_string_buffer(8)\n"
        "class V(ctypes.Structure):\n"
        "    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]\n"
        "near = V(ctypes.addressof(buffer), 8); far = V(0x400000, 8)\n"
        "attempt(lambda: check(libc.process_vm_readv(server(), ctypes.byref(near), 1,"
        " ctypes.byref(far), 1, 0)))"
    ),
    "the server's pipes by a descriptor": (
        "fd = libc.syscall(434, server(), 0)\n"
        "attempt(lambda: [check(libc.syscall(438, fd, n, 0)) for n in range(12)])"
    ),
    "processes of the host": "attempt(lambda: os.kill({lane}, 0))",
    # privileges
    "root": "attempt(lambda: os.setuid(0))",
    "another group": "attempt(lambda: os.setgid(0))",
    "a set-uid program": (
        "import shutil; shutil.copy('/bin/bash', 'sh'); os.chmod('sh', 0o6755)\n"
        "attempt(lambda: subprocess.check_output(['./sh', '-p', '-c', 'id -u']).strip(),"
        " lambda uid: uid == b'0')"
    ),
    "capabilities": (
        "status = dict(l.split(':', 1) for l in open('/proc/self/status') if ':' in l)\n"
        "attempt(lambda: [status[k].strip() for k in ('CapEff', 'CapPrm', 'CapAmb')],"
        " lambda sets: any(int(s, 16) for s in sets))\n"
        "attempt(lambda: status['NoNewPrivs'].strip(), lambda flag: flag != '1')"
    ),
    "a user namespace": "attempt(lambda: check(libc.unshare(0x10000000)))",
    "a mount namespace": "attempt(lambda: check(libc.unshare(0x00020000)))",
    "a network namespace": "attempt(lambda: check(libc.unshare(0x40000000)))",
    "a user namespace by clone": (
        "attempt(lambda: check(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)))"
    ),
    "another's namespaces": (
        "for name in ('net', 'mnt', 'pid', 'user'):\n"
        "    attempt(lambda: check(libc.setns(os.open(f'/proc/1/ns/{name}', os.O_RDONLY), 0)))"
    ),
    "mounting": (
        "os.mkdir('m'); attempt(lambda: check(libc.mount(b'none', b'm', b'tmpfs', 0, None)))"
    ),
    "mounting the root again": ("attempt(lambda: check(libc.mount(None, b'/', None, 32, None)))"),
    "changing the root": "attempt(lambda: os.chroot('/proc/1/root'))",
    "raising limits": (
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard * 2, hard * 2)))"
    ),
    "a higher priority": "attempt(lambda: os.nice(-5))",
    "the clock": "attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))",
    "the host's name": "attempt(lambda: socket.sethostname('leak'))",
    "a kernel program": (
        "attributes = (ctypes.c_char * 128)(); ctypes.c_uint.from_buffer(attributes).value = 1\n"
        "attempt(lambda: check(libc.syscall(321, 0, attributes, 128)))"
    ),
    "a kernel module": "attempt(lambda: check(libc.syscall(313, 0, b'', 0)))",
    "performance counters": (
        "attributes = (ctypes.c_char * 128)()\n"
        "ctypes.c_uint.from_buffer(attributes, 4).value = 128\n"
        "attempt(lambda: check(libc.syscall(298, attributes, 1, -1, -1, 0)))"
    ),
    # the network
    "the host's loopback": (
        "attempt(lambda: socket.create_connection(('127.0.0.1', {port}), 1))\n"
        "attempt(lambda: socket.create_connection(('::1', {port}), 1))"
    ),
    "the lane": "attempt(lambda: socket.create_connection(('127.0.0.1', {lane_port}), 1))",
    "a resolver on the host's loopback": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3)\n"
        "s.sendto(b'?', ('127.0.0.1', {resolver}))\n"
        "attempt(lambda: s.recv(10))"
    ),
    "names": "attempt(lambda: socket.getaddrinfo('host.invalid', 80))",
    "an abstract socket of the host": (
        "s = socket.socket(socket.AF_UNIX); attempt(lambda: s.connect('\\0{abstract}'))"
    ),
    "a socket in a directory of the host": (
        "s = socket.socket(socket.AF_UNIX); attempt(lambda: s.connect('{runs}/s'))"
    ),
    "raw packets": "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))",
    "the wire": "attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768))",
    "other interfaces": "attempt(lambda: [n for _, n in socket.if_nameindex() if n != 'lo'], bool)",
    "a virtual machine's host": (
        "attempt(lambda: socket.socket(40, socket.SOCK_STREAM).connect((2, 1)))"
    ),
    "shared memory of the host": (
        "attempt(lambda: check(libc.shmat(libc.shmget(0, 1, 0o400), 0, 0)))"
    ),
    # limits
    "too many files": "attempt(lambda: [open('/dev/null') for _ in range(500)])",
    "a huge file": "attempt(lambda: os.truncate(os.open('huge', os.O_RDWR | os.O_CREAT), 2**40))",
    "much memory": "attempt(lambda: len(bytearray(8 * 2**30)))",
    "much disk": (
        "def fill():\n"
        "    for n in range(1000):\n"
        "        open(f'f{n}', 'wb').write(b'x' * 2**20)\n"
        "attempt(fill)\n"
        "[os.unlink(p) for p in glob.glob('f*')]"
    ),
    "many threads": (
        "import threading\n"
        "def start():\n"
        "    for _ in range(5000):\n"
        "        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n"
        "attempt(start); sys.stdout.flush(); os._exit(0)"
    ),
    "much locked memory": (
        "m = ctypes.create_string_buffer(2**26); attempt(lambda: check(libc.mlock(m, 2**26)))"
    ),
}
"""Each says ESCAPED when it has what it wanted, which does no harm, and else why it has not."""

SEEN = """
def seen(pid):
    try:
        return read(f"/proc/{pid}/environ") + read(f"/proc/{pid}/cmdline")
    except OSError:
        return b""
def server():
    # The process that serves the episode, or the one above it: whatever holds the pipes.
    return os.getppid()
"""

ENDLESS = {
    "a loop": ("python", "while True: pass"),
    "a program that will not be told": (
        "python",
        (
            "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nwhile True: pass"
        ),
    ),
    "a background program": ("bash", "sleep 300 & setsid sleep 300 & wait"),
    "a flood of output": ("bash", "yes"),
    "a flood without lines": ("bash", "cat /dev/zero"),
    "waiting for input": ("bash", "sleep 100 < /dev/zero"),
}


class Outside:
    """What a program inside may not meet."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.resolver.bind(("127.0.0.1", 0))
        self.name = "fleetgym-hostile-test"
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0{self.name}")
        self.abstract.listen()
        self.answering = threading.Thread(target=self._answer, daemon=True)
        self.answering.start()

    def _answer(self) -> None:
        while True:
            asked, sender = self.resolver.recvfrom(100)
            if asked == b"end":
                return
            self.resolver.sendto(b"here", sender)

    def close(self) -> None:
        self.resolver.sendto(b"end", self.resolver.getsockname())
        self.answering.join()
        for door in (self.listener, self.resolver, self.abstract):
            door.close()


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.close()


@pytest.fixture(scope="module")
def intruder(arena: Arena) -> Episode:
    return arena.visit(steps=1000)


@pytest.mark.parametrize("name", PYTHON)
def test_a_program_does_not_get_out(
    name: str, intruder: Episode, arena: Arena, outside: Outside
) -> None:
    words = {
        "{canary}": CANARY,
        "{port}": str(outside.listener.getsockname()[1]),
        "{resolver}": str(outside.resolver.getsockname()[1]),
        "{lane_port}": str(intruder.address[1]),
        "{abstract}": outside.name,
    }
    code = arena.filled(PYTHON[name])
    for word, value in words.items():
        code = code.replace(word, value)

    answer = intruder.call("python", code=PRELUDE + SEEN + code)

    assert answer.status == 200
    assert "refused:" in answer.content or "nothing:" in answer.content, answer.content
    assert "ESCAPED" not in answer.content
    assert CANARY not in answer.text


@pytest.mark.parametrize("name", ENDLESS)
def test_a_program_without_end_is_killed_and_nothing_of_it_stays(
    name: str, intruder: Episode
) -> None:
    tool, program = ENDLESS[name]

    answer = run(intruder, tool, program)

    assert answer.json["is_error"], answer.text[:300]
    assert "killed" in answer.content
    assert len(answer.text) < 200_000


def test_after_all_of_it_the_score_is_what_was_earned_before(
    intruder: Episode, arena: Arena
) -> None:
    assert intruder.give_up().score == arena.earned


def run(episode: Episode, tool: str, program: str) -> Answer:
    return episode.call(tool, **{"python": {"code": program}, "bash": {"command": program}}[tool])
