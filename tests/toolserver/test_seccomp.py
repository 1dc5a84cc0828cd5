"""Filters of system calls, and the table they are made from."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from fleetgym.toolserver.seccomp import Rule, compile_filter
from fleetgym.toolserver.system_calls import NUMBERS

# As libseccomp calls the two architectures.
X86_64, AARCH64 = 0xC000003E, 0xC00000B7

INSIDE = """
import ctypes, errno, os, socket, threading
from fleetgym.toolserver.confinement import confine_server
libc = ctypes.CDLL(None, use_errno=True)
assert confine_server()
def say(name, *arguments):
    answer = libc.syscall(*arguments)
    print(name, errno.errorcode[ctypes.get_errno()] if answer < 0 else "done")
def attempt(name, deed):
    try:
        deed()
        print(name, "done")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
{attempts}
"""
NUMBER = {"x86_64": 0, "aarch64": 1}[os.uname().machine]


def inside(attempts: str) -> list[str]:
    """Return what a process under the server's filter says."""
    done = subprocess.run(
        [sys.executable, "-c", INSIDE.replace("{attempts}", attempts)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_numbers_are_those_of_libseccomp() -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    found = {
        name: tuple(
            number if (number := resolve(library, arch, name)) >= 0 else None
            for arch in (X86_64, AARCH64)
        )
        for name in NUMBERS
    }
    # It knows no newer ones than itself.
    known = {name: numbers for name, numbers in found.items() if numbers != (None, None)}
    assert known == {name: NUMBERS[name] for name in known}
    assert NUMBERS.keys() - known.keys() <= {"open_tree_attr"}


def resolve(library: ctypes.CDLL, architecture: int, name: str) -> int:
    return int(
        library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(architecture), name.encode())
    )


@pytest.mark.parametrize(
    "name",
    [
        "add_key", "bpf", "io_uring_setup", "kexec_load", "keyctl", "mount", "mq_open",
        "open_by_handle_at", "perf_event_open", "process_vm_writev", "ptrace", "semget", "setns",
        "shmget", "unshare", "userfaultfd",
    ],
)  # fmt: skip
def test_what_no_tool_needs_is_refused(name: str) -> None:
    assert inside(f"say({name!r}, {NUMBERS[name][NUMBER]}, 0, 0, 0, 0, 0)") == [f"{name} EPERM"]


def test_new_namespaces_are_refused_and_new_processes_and_threads_are_not() -> None:
    clone = NUMBERS["clone"][NUMBER]
    attempts = f"""
for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
    say(hex(flag), {clone}, flag | 17, 0, 0, 0, 0)
say("clone3", {NUMBERS["clone3"][NUMBER]}, 0, 0)
print(os.waitstatus_to_exitcode(os.system("exit 5")))
thread = threading.Thread(target=print, args=["a thread"])
thread.start()
thread.join()
"""
    *flags, clone3, code, thread = inside(attempts)
    assert [line.split()[1] for line in flags] == ["EPERM"] * 7
    assert [clone3, code, thread] == ["clone3 ENOSYS", "5", "a thread"]


def test_of_sockets_only_the_usual_families_are_there() -> None:
    attempts = "\n".join(
        f"attempt({family!r}, lambda: socket.socket(socket.{family}, socket.{kind}).close())"
        for family, kind in (
            ("AF_UNIX", "SOCK_STREAM"), ("AF_INET", "SOCK_STREAM"), ("AF_INET6", "SOCK_DGRAM"),
            ("AF_NETLINK", "SOCK_RAW"), ("AF_VSOCK", "SOCK_STREAM"), ("AF_PACKET", "SOCK_RAW"),
            ("AF_ALG", "SOCK_SEQPACKET"),
        )
    )  # fmt: skip
    assert [line.split()[1] for line in inside(attempts)] == ["done"] * 4 + ["EAFNOSUPPORT"] * 3


def test_calls_of_32_bit_programs_are_refused() -> None:
    x86_64 = compile_filter([Rule(calls=("ptrace",))], "x86_64")
    arm = compile_filter([Rule(calls=("ptrace",))], "aarch64")
    # Load the architecture; is it ours? Else refuse.
    load, refuse = b"\x20\0\0\0\x04\0\0\0", b"\x06\0\0\0\x01\0\x05\0"
    for program, architecture in ((x86_64, X86_64), (arm, AARCH64)):
        assert program.startswith(
            load + b"\x15\0\x01\0" + architecture.to_bytes(4, "little") + refuse
        )


TOOL = """
import ctypes, errno, os, signal, subprocess
from fleetgym.toolserver.confinement import confine_tool
neighbors = frozenset(range(5_000_000, 5_000_000 + {neighbors}))
assert confine_tool(neighbors)
libc = ctypes.CDLL(None, use_errno=True)
libc.kill(os.getpid(), 0) and print("cannot signal itself")
for number in (min(neighbors), max(neighbors), -max(neighbors), -1):
    assert libc.kill(number, 0) == -1
    print(errno.errorcode[ctypes.get_errno()])
assert libc.kill(max(neighbors) + 1, 0) == -1
print(errno.errorcode[ctypes.get_errno()])
"""


@pytest.mark.parametrize("neighbors", [1, 100, 254, 255, 256, 900])
def test_a_tool_keeps_its_hands_off_any_number_of_neighbors(neighbors: int) -> None:
    code = TOOL.replace("{neighbors}", str(neighbors))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # No kernel gives a process such a number, but only who is no neighbor gets to know that.
    assert done.stdout.split() == ["EPERM"] * 4 + ["ESRCH"]
