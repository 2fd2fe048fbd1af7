"""What the doctor looks at on the machine itself: whether its clock is kept right, and what the data lies on."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from reporter.cli.doctor import Finding, Health

ROOM_WRONG = 100 * 1024**2
ROOM_WARNING = 1024**3
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2",
     "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "virtiofs", "beegfs"}
)  # fmt: skip
FLEETING = frozenset({"tmpfs", "ramfs"})
MOUNTS = Path("/proc/self/mountinfo")
ASKED_S = 5
_TIMEX_BYTES = 512
"""More than any kernel's `struct timex` holds."""
_UNSYNCHRONISED = 0x0040
_TIMEX_STATUS = 5
"""Where `status` stands among the native words of `struct timex`: modes, offset, freq, maxerror, esterror, status."""


def machine(folder: Path, *, is_sqlite: bool) -> Iterator[Finding]:
    """Everything about the machine; `folder` is the data folder, or the folder that it will be made in."""
    yield _time()
    free = shutil.disk_usage(folder).free
    health = Health.WRONG if free < ROOM_WRONG else Health.WARNING if free < ROOM_WARNING else Health.GOOD
    room = f"{free / 1024**3:.1f} GiB"
    yield Finding("disk", health, f"剩余空间 {room}", f"{room} free")
    yield _file_system(folder, is_sqlite=is_sqlite)


def _time() -> Finding:
    is_kept = kernel_keeps_time()
    if is_kept is None:
        is_kept = _service_keeps_time()
    if is_kept is None:
        return Finding(
            "time",
            Health.UNKNOWN,
            "无法得知本机时间是否已同步：请自行确认 NTP（chronyc tracking 或 timedatectl）",
            "whether this machine's clock is synchronised cannot be told here: see to it that NTP runs "
            "(chronyc tracking, or timedatectl)",
        )
    if is_kept:
        return Finding("time", Health.GOOD, "本机时间已同步", "this machine's clock is synchronised")
    return Finding(
        "time",
        Health.WARNING,
        "本机时间未同步，而时限都以它为准：启用 NTP（chrony 或 systemd-timesyncd）",
        "this machine's clock is not synchronised, and every deadline is read off it: "
        "run NTP (chrony or systemd-timesyncd)",
    )


def kernel_keeps_time() -> bool | None:
    """Whether the kernel says that its clock is synchronised; None where it cannot be asked."""
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    answer = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zeros: modes 0, so it only reads
    if ask(answer) < 0:
        return None
    word = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(answer, _TIMEX_STATUS * word).value
    return not status & _UNSYNCHRONISED


def _service_keeps_time() -> bool | None:
    """What systemd says of it; None without systemd."""
    if shutil.which("timedatectl") is None:
        return None
    try:
        asked = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=ASKED_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def _file_system(folder: Path, *, is_sqlite: bool) -> Finding:
    name = "file_system"
    try:
        kind = file_system(MOUNTS.read_text(encoding="utf-8", errors="replace"), folder.resolve())
    except OSError:
        kind = None
    if kind is None:
        return Finding(
            name, Health.UNKNOWN, "无法得知文件系统的种类", "the kind of file system cannot be told"
        )
    if kind in NETWORK:
        health = Health.WRONG if is_sqlite else Health.WARNING
        return Finding(
            name,
            health,
            f"{folder} 在网络文件系统 {kind} 上，锁与落盘都不可靠：换到本机磁盘",
            f"{folder} is on {kind}, a network file system, whose locks and syncs cannot be relied on: "
            "use a disk of this machine",
        )
    if kind in FLEETING:
        return Finding(
            name,
            Health.WARNING,
            f"{folder} 在内存文件系统 {kind} 上，重启即失：换到磁盘",
            f"{folder} is on {kind}, in memory, and gone after a restart: use a disk",
        )
    if kind == "overlay":
        return Finding(
            name,
            Health.WARNING,
            f"{folder} 在容器自身的层上，容器删除即失：挂载一个卷",
            f"{folder} is in the container's own layer and goes with it: mount a volume",
        )
    return Finding(name, Health.GOOD, kind, kind)


def file_system(mounts: str, folder: Path) -> str | None:
    """The kind of file system that `folder` lies on, by the text of /proc/self/mountinfo."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split()
        if len(words) < 5 or not after:
            continue
        point = Path(_unescaped(words[4]))
        if folder.is_relative_to(point):
            depth = len(point.parts)
            if found is None or depth >= found[0]:  # of several on one point the last mounted covers the rest
                found = depth, after.split()[0]
    return found[1] if found else None


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
