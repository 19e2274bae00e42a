"""Attempts to get out of the process that runs Python. Each is refused by the kernel, whatever it does to Python."""

import ctypes
import os
import platform
import sys

import pytest

from guru.agents.tools.builtin.locked import ARCHITECTURES
from guru.agents.tools.builtin.python import Sandbox
from guru.config import PythonToolSettings

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHITECTURES, reason="wants Linux on x86-64 or ARM64"
)

OUT = "ESCAPED"

# Python's own ways. Each prints ESCAPED when it got what it wanted.
PYTHON = {
    "read a file": "open('/etc/passwd').read()",
    "read its own source": "open(__import__('sys').modules['__main__'].__file__).read()",
    "read by io": "import io; io.FileIO('/etc/hostname').read()",
    "read by pathlib": "import os; os.read(os.open('/etc/passwd', os.O_RDONLY), 10)",
    "read the memory of the parent": "import os; open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "read the environment of the parent": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "read its own environment": "open('/proc/self/environ').read()",
    "list a folder": "import os; os.listdir('/')",
    "list by scandir": "import os; list(os.scandir('.'))",
    "see whether a file is there": "import os; os.stat('/etc/passwd')",
    "see by access": "import os\nif not os.access('/etc/passwd', os.F_OK): raise PermissionError",
    "see by exists": "import os\nif not os.path.exists('/'): raise PermissionError",
    "follow a link": "import os; os.readlink('/proc/self/exe')",
    "say where it is": "import os; os.getcwd()",
    "go elsewhere": "import os; os.chdir('/tmp')",
    "write a file": "open('/tmp/guru-escaped', 'w').write('x')",
    "write beside its source": "open(__import__('sys').modules['__main__'].__file__ + 'x', 'w')",
    "make a folder": "import os; os.mkdir('/tmp/guru-escaped')",
    "remove a file": "import os; os.unlink('/tmp/guru-kept')",
    "rename a file": "import os; os.rename('/tmp/guru-kept', '/tmp/guru-escaped')",
    "make a link": "import os; os.symlink('/etc', '/tmp/guru-escaped')",
    "make a hard link": "import os; os.link('/etc/passwd', '/tmp/guru-escaped')",
    "change a mode": "import os; os.chmod('/tmp', 0o1777)",
    "change an owner": "import os; os.chown('/tmp', -1, -1)",
    "change a time": "import os; os.utime('/tmp')",
    "truncate a file": "import os; os.truncate('/tmp/guru-kept', 0)",
    "make a device": "import os; os.mknod('/tmp/guru-escaped')",
    "make a file in memory": "import os; os.memfd_create('x')",
    "make a pipe": "import os; os.pipe()",
    "duplicate a descriptor": "import os; os.dup(0)",
    "start a process": "import os; os.fork()",
    "start a program": "import os; os.execv('/bin/sh', ['sh'])",
    "start a program by spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "start a shell": "import os\nif os.system('true'): raise PermissionError",
    "start a thread": "import _thread; _thread.start_new_thread(print, ())",
    "send a signal to the parent": "import os; os.kill(os.getppid(), 0)",
    "send a signal to itself": "import os; os.kill(os.getpid(), 0)",
    "raise its limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "look at its limits": "import resource; resource.getrlimit(resource.RLIMIT_CPU)",
    "become somebody else": "import os; os.setuid(1000)",
    "leave its session": "import os; os.setsid()",
    "be preferred": "import os; os.nice(-5)",
    "import what was not loaded": "import sqlite3",
    "import sockets": "import socket; socket.create_connection(('127.0.0.1', 80))",
    "import subprocess": "import subprocess; subprocess.run(['true'])",
    "go to the modules of its host": "import sys; sys.modules['os'].listdir('/')",
    "go through the classes": "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close']"
    "[0].__init__.__globals__['listdir']('/')",
    "go through a loader": "import importlib.machinery as m; m.SourceFileLoader('x', '/x').get_data('/etc/passwd')",
    "load a library": "import ctypes; ctypes.CDLL('/lib/x86_64-linux-gnu/libutil.so.1')",
    "map a file": "import mmap, os; mmap.mmap(os.open('/etc/passwd', 0), 0)",
}

# By the C library, and by the numbers of the calls themselves: what no change of Python can prevent.
NATIVE = {
    "open": "libc.open(b'/etc/passwd', 0)",
    "openat": "libc.openat(-100, b'/etc/passwd', 0)",
    "socket": "libc.socket(2, 1, 0)",
    "unix socket": "libc.socket(1, 1, 0)",
    "netlink": "libc.socket(16, 3, 0)",
    "socketpair": "libc.socketpair(1, 1, 0, ctypes.create_string_buffer(8))",
    "fork": "libc.fork()",
    "vfork": "libc.syscall(58)",
    "clone": "libc.syscall(56, 0x11, 0, 0, 0, 0)",
    "clone3": "libc.syscall(435, ctypes.create_string_buffer(88), 88)",
    "execve": "libc.execve(b'/bin/sh', None, None)",
    "ptrace": "libc.ptrace(16, os.getppid(), 0, 0)",
    "read another's memory": "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
    "openat2": "libc.syscall(437, -100, b'/etc/passwd', ctypes.create_string_buffer(24), 24)",
    "io_uring": "libc.syscall(425, 8, ctypes.create_string_buffer(120))",
    "bpf": "libc.syscall(321, 0, 0, 0)",
    "userfaultfd": "libc.syscall(323, 0)",
    "keys": "libc.syscall(250, 0, -3, 1)",
    "performance counters": "libc.syscall(298, 0, 0, 0, 0, 0)",
    "mount": "libc.mount(b'x', b'/', b'tmpfs', 0, None)",
    "namespaces": "libc.unshare(0x10000000)",
    "chroot": "libc.chroot(b'/')",
    "another filter": "libc.prctl(22, 1)",
    "outlive the parent": "libc.prctl(1, 0)",
    "pidfd": "libc.syscall(434, os.getppid(), 0)",
    "shared memory": "libc.shmget(0, 4096, 0o1600)",
    "message queue": "libc.syscall(240, b'x', 0o102, 0o600, 0)",
    "handles": "libc.syscall(304, -100, 0, 0)",
    "clock": "libc.syscall(164, 0, 0)",
    "kill all": "libc.kill(-1, 0)",
    "reboot": "libc.syscall(169, 0, 0, 0, 0)",
    "ioctl": "libc.ioctl(1, 0x5412, b'x')",
    "landlock": "libc.syscall(444, 0, 0, 1)",
    "a call of the 32-bit numbering": "libc.syscall(0x40000000 + 257, -100, b'/etc/passwd', 0)",
    "a call that is not invented yet": "libc.syscall(5000)",
}


@pytest.fixture
def sandbox():
    return Sandbox(PythonToolSettings(timeout_seconds=10))


@pytest.fixture(autouse=True)
def nothing_outside_changes():
    yield
    assert not os.path.lexists("/tmp/guru-escaped")


@pytest.mark.parametrize("attempt", PYTHON)
async def test_python_does_not_get_out(sandbox, attempt):
    ran = await sandbox.run(f"{PYTHON[attempt]}\nprint('{OUT}')")
    assert ran.status == 1
    assert OUT not in ran.output
    assert any(word in ran.output for word in ("Error", "error")), ran.output


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of calls are those of x86-64")
async def test_what_is_called_natively_is_refused_as_well(sandbox):
    """All attempts in one process: that it is still there for the next shows that each was refused, not killed."""
    attempts = "\n".join(f"attempt({name!r}, lambda: {code})" for name, code in NATIVE.items())
    ran = await sandbox.run(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def attempt(name, call):\n"
        "    ctypes.set_errno(0)\n"
        "    print(name, call(), ctypes.get_errno(), sep='|')\n" + attempts
    )
    told = {name: values for name, *values in (line.split("|") for line in ran.output.splitlines())}
    assert ran.status == 0, ran.output
    assert told == {name: ["-1", "1"] for name in NATIVE}  # -1 with EPERM


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there")
async def test_a_call_by_the_32_bit_gate_ends_the_process(sandbox):
    """`int 0x80` speaks another numbering, in which a filter for one architecture would allow other calls."""
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    ran = await sandbox.run(
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "page = libc.mmap(None, 4096, 7, 0x22, -1, 0)\n"
        "code = bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3])\n"  # mov eax, 20; int 0x80; ret
        "ctypes.memmove(page, code, len(code))\n"
        f"print(ctypes.CFUNCTYPE(ctypes.c_int)(page)(), '{OUT}')"
    )
    assert ran.status is None
    assert OUT not in ran.output
