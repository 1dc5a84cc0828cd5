"""What no process of a tool server may ask the kernel for, and what its tools may not besides.

Three filters, each for all that comes after it:

* :func:`confine_server`, for the first process: close to what Docker refuses by default. None of
  it is needed to execute tools, and each has been a way out of a sandbox, or outlives an episode
  (keys, System V and POSIX messages belong to a namespace, not to a process).
* :func:`confine_executor`, for a process that executes queries and nothing else.
* :func:`confine_tool`, for a program that an agent chose. It stays in the process group it is
  started in, so that one signal ends all of it; and it cannot disturb the processes around it,
  which have the same user: an agent could otherwise end an episode that goes badly for it.
"""

from __future__ import annotations

import errno
import os

from fleetgym.toolserver.seccomp import Rule, install

__all__ = ["confine_executor", "confine_server", "confine_tool"]

_NEW_NAMESPACES = 0x7E020000
_CLONE_THREAD = 0x00010000
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_F_SETOWN, _F_SETOWN_EX, _F_SETPIPE_SZ = 8, 15, 1031
_USER_PRIORITY, _USER_IO_PRIORITY = 2, 3

_SERVER = (
    Rule(
        calls=(
            "_sysctl", "acct", "add_key", "bpf", "chroot", "clock_adjtime", "clock_settime",
            "create_module", "delete_module", "fanotify_init", "finit_module", "fsconfig",
            "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register",
            "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
            "lookup_dcookie", "memfd_secret", "migrate_pages", "modify_ldt", "mount",
            "mount_setattr", "move_mount", "move_pages", "mq_open", "msgget", "name_to_handle_at",
            "nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open",
            "pidfd_getfd", "pivot_root", "process_madvise", "process_mrelease",
            "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot",
            "request_key", "semget", "setdomainname", "sethostname", "setns", "settimeofday",
            "shmget", "swapoff", "swapon", "sysfs", "syslog", "umount2", "unshare", "uselib",
            "userfaultfd", "ustat", "vhangup",
        )
    ),
    # Its flags are in memory, where no filter sees them; without it, libraries take `clone`.
    Rule(calls=("clone3",), answer=errno.ENOSYS),
    Rule(calls=("clone",), argument=0, any_bit=_NEW_NAMESPACES),
    Rule(
        calls=("socket",),
        argument=0,
        not_among=(_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK),
        answer=errno.EAFNOSUPPORT,
    ),
    Rule(calls=("ioctl",), argument=1, among=(_TIOCSTI, _TIOCLINUX)),
)  # fmt: skip

# Each has a process id as its first argument.
_SIGNALS = ("kill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tgkill")
_ATTRIBUTES = ("prlimit64", "sched_setattr", "sched_setparam", "sched_setscheduler")

_NOBODYS = (
    Rule(calls=("pidfd_send_signal",), answer=errno.ENOSYS),
    Rule(calls=("fcntl",), argument=1, among=(_F_SETOWN, _F_SETOWN_EX, _F_SETPIPE_SZ)),
    Rule(calls=("ioctl",), argument=1, among=(_FIOSETOWN, _SIOCSPGRP)),
    Rule(calls=("setpriority",), argument=0, among=(_USER_PRIORITY,)),
    Rule(calls=("ioprio_set",), argument=0, among=(_USER_IO_PRIORITY,)),
    # Memory that belongs to no process's count.
    Rule(calls=("memfd_create",), answer=errno.ENOSYS),
)


def confine_server() -> bool:
    """Refuse this process, from now on, what tools never need; return whether that is possible."""
    return install(_SERVER)


def confine_executor() -> bool:
    """Leave this process nothing but to compute, and to answer on what it has open."""
    own = os.getpid()
    return install(
        (
            *_NOBODYS,
            Rule(calls=("execve", "execveat", "fork", "setpgid", "setsid", "socket", "vfork")),
            Rule(calls=("clone",), argument=0, no_bit=_CLONE_THREAD),
            Rule(calls=_SIGNALS, argument=0, not_among=(own,)),
            Rule(calls=("sched_setaffinity", "tkill")),
            Rule(calls=_ATTRIBUTES, argument=0, not_among=(0, own)),
            Rule(calls=("ioprio_set", "setpriority"), argument=1, not_among=(0, own)),
        )
    )


def confine_tool(neighbors: frozenset[int]) -> bool:
    """Keep this process in its group, and its hands off its neighbors.

    Args:
        neighbors: Ids of processes, process groups and threads that it must not touch.
    """
    hands_off = sorted(neighbors | {-number for number in neighbors} | {-1})
    return install(
        (
            *_NOBODYS,
            # Refused, programs that make daemons would fail; so they believe that it was done. Then
            # a signal to the own group means another one than this (`timeout` sends such a signal).
            Rule(calls=("setpgid", "setsid"), answer=0),
            Rule(calls=("kill",), argument=0, among=(0,), answer=0),
            Rule(calls=("sched_setaffinity",), answer=0),  # it keeps the processors it was given
            Rule(calls=(*_SIGNALS, "tkill", *_ATTRIBUTES), argument=0, among=hands_off),
            Rule(calls=("ioprio_set", "setpriority"), argument=1, among=hands_off),
        )
    )
