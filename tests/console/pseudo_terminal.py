"""A program at a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

SIZE = (130, 40)


class Terminal:
    """A program at a pseudo-terminal, and all that it wrote there."""

    def __init__(self, words: list[object], env: dict[str, str]) -> None:
        self.fd, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
        self.before = termios.tcgetattr(side)
        self.side = side
        env = {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=side,
            stdout=side,
            stderr=side,
            env=env,
            start_new_session=True,
        )
        self.wrote = b""

    def read_until(self, text: bytes, seconds: float = 60) -> None:
        deadline_s = time.monotonic() + seconds
        while text not in self.wrote:
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"{text!r} did not come: {self.wrote[-2000:]!r}"
            if select.select([self.fd], [], [], left_s)[0]:
                self.wrote += os.read(self.fd, 1 << 16)

    def press(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def wait(self, seconds: float = 60) -> int:
        """Its exit status; what it still writes is read meanwhile."""
        deadline_s = time.monotonic() + seconds
        while self.process.poll() is None or select.select([self.fd], [], [], 0.1)[0]:
            assert time.monotonic() < deadline_s, self.wrote[-2000:]
            if select.select([self.fd], [], [], 0.1)[0]:
                self.wrote += os.read(self.fd, 1 << 16)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.side)
