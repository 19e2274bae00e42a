"""Runs Python that nobody trusts, in a process that has locked itself in. Started by `sandbox.py` as a script: it
stands alone and imports nothing of Guru.

What the code may use is imported first. Then the process gives up, for good, every system call but some thirty that
computing needs (seccomp, https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html): it cannot open,
look at, make or remove a file, make a connection, start a process or a thread, send a signal, or raise its limits. The
list says what is allowed, so that a call that is invented tomorrow is refused as well. Only then is the code read. It
does not matter what the code does to Python: the kernel refuses, not Python.
"""

import ast
import contextlib
import ctypes
import importlib
import json
import linecache
import os
import platform
import resource
import struct
import sys
import traceback

NAME = "<code>"
MAX_FRAMES = 10
LOCKED = b"locked\n"
"""Said once the process is. Before that nobody sends it the code."""
MODULES = (
    "abc", "array", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "collections.abc", "colorsys",
    "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools",
    "graphlib", "hashlib", "heapq", "hmac", "html", "html.parser", "io", "ipaddress", "itertools", "json", "keyword",
    "math", "numbers", "operator", "pprint", "queue", "random", "re", "secrets", "statistics", "string", "struct",
    "sys", "textwrap", "time", "timeit", "traceback", "types", "typing", "unicodedata", "urllib.parse", "uuid",
    "warnings", "weakref", "xml.etree.ElementTree", "zlib",
)  # fmt: skip
"""What the code may import: modules that compute. Nothing can be loaded afterwards."""
SUPPORT = (
    "_strptime", "encodings.aliases", "encodings.ascii", "encodings.cp1252", "encodings.idna", "encodings.latin_1",
    "encodings.punycode", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_32", "stringprep",
)  # fmt: skip
"""What those load when they are used."""

# By architecture: the value that the kernel calls it by, and the numbers of the allowed calls, in the order of NAMES.
NAMES = (
    "read", "write", "close", "fstat", "lseek", "mmap", "mprotect", "munmap", "brk", "mremap", "madvise",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "futex", "getpid", "gettid", "getrandom",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "sched_yield", "getrusage",
    "exit", "exit_group", "restart_syscall", "set_robust_list", "rseq",
)  # fmt: skip
ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        (0, 1, 3, 5, 8, 9, 10, 11, 12, 25, 28, 13, 14, 15, 131, 202, 39, 186, 318, 228, 229, 230, 35, 96, 24, 98,
         60, 231, 219, 273, 334),
    ),
    "aarch64": (
        0xC00000B7,
        (63, 64, 57, 80, 62, 222, 226, 215, 214, 216, 233, 134, 135, 139, 132, 98, 172, 178, 278, 113, 114, 115, 101,
         169, 124, 165, 93, 94, 128, 99, 293),
    ),
}  # fmt: skip
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: EPERM
NUMBER, ARCHITECTURE = 0, 4
"""Where they stand in what the kernel shows the filter."""


def main() -> int:
    limits = json.loads(sys.argv[1])
    set_limits(limits["memory"], limits["cpu"])
    for name in (*MODULES, *SUPPORT):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    try:
        lock()
    except OSError as error:
        print(error)
        return 1
    os.write(1, LOCKED)
    source = sys.stdin.buffer.read().decode("utf-8", "replace")
    return run(source)


def set_limits(memory: int, cpu: int) -> None:
    """Bytes of address space and seconds of the processor. Nothing can raise them once the process is locked."""
    for kind, most in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16), (resource.RLIMIT_MEMLOCK, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (most, most))
    os.nice(10)


def lock() -> None:
    """Give up every other system call, and see that they are gone. Raises `OSError` where the machine cannot."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        raise OSError(f"{sys.platform} on {platform.machine()} is not known")
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, set_dumpable, die_with_parent = 38, 22, 4, 1
    program = filter_program(*ARCHITECTURES[platform.machine()])
    instructions = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]

    described = Program(len(program) // 8, ctypes.addressof(instructions))
    for what in (
        (die_with_parent, 9, 0, 0, 0), (set_dumpable, 0, 0, 0, 0), (no_new_privileges, 1, 0, 0, 0),
        (set_filter, 2, ctypes.byref(described), 0, 0),
    ):  # fmt: skip
        if libc.prctl(*what) != 0:
            raise OSError(ctypes.get_errno(), "the kernel does not filter system calls")
    for attempt in (lambda: os.listdir("/"), lambda: os.stat("/"), lambda: os.pipe(), lambda: os.kill(os.getpid(), 0)):
        try:
            attempt()
        except PermissionError:
            continue
        raise OSError("the kernel does not refuse what the filter refuses")


def filter_program(architecture: int, allowed: tuple[int, ...]) -> bytes:
    """Classic BPF: another architecture dies, an allowed number goes on, and anything else is refused."""
    program = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    program += [(EQUAL, len(allowed) - place, 0, number) for place, number in enumerate(allowed)]
    program += [(RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def run(source: str) -> int:
    """Run the code, and show the value of its last line as a prompt of Python does."""
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    sys.argv = [NAME]
    sys.path.clear()
    space = {"__name__": "__main__", "__builtins__": __builtins__}
    try:
        tree = ast.parse(source, NAME)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, NAME, "exec"), space)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), NAME, "eval"), space)  # noqa: S307
            if value is not None:
                print(repr(value))
        sys.stdout.flush()
    except SystemExit as error:
        sys.stdout.flush()
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        sys.stdout.flush()
        show(error)
        return 1
    return 0


def show(error: BaseException) -> None:
    """The error, and where in the code it was: other places would only tell of this machine."""
    told = traceback.TracebackException.from_exception(error)
    waiting: list[traceback.TracebackException | None] = [told]
    while waiting:
        current = waiting.pop()
        if current is not None:
            current.stack[:] = [frame for frame in current.stack if frame.filename == NAME][-MAX_FRAMES:]
            waiting += [current.__cause__, current.__context__]
    print("".join(told.format()), end="")
    if isinstance(error, ModuleNotFoundError | PermissionError):
        print(f"There are no files, no network, no processes, and only these modules: {', '.join(MODULES)}.")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    os._exit(status if 0 <= status < 256 else 1)
