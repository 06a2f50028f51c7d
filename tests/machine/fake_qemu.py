"""A stand-in for qemu-system-x86_64: no guest runs in it, it plays one from a scenario.

It is started as QEMU is, with the same command line, connects to the same sockets, writes the same
capture, and speaks QMP. ``fake_qemu.py SCENARIO ARGUMENTS…``: the scenario is a file of JSON,

    {"never_connects": false, "answer_after_s": 0, "unanswered": ["query-blockstats"],
     "guest": [["serial", "text"], ["frame", "arp-reply"], …]}

Its guest does its steps, one after the other, from the moment of the first ``cont``; each is the
name of a method of Guest, with its arguments. Its start has to be fast: it imports little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

Step = list[str | int | float | dict[str, object]]

WIDTH, HEIGHT = 640, 480
# What KVM and TCG print of a processor with a kernel in 64-bit mode, as far as it is read.
_REGISTERS = {
    "real": "CR0=60000010 EFER=0000000000000000\nIDT=     00000000 000003ff",
    "long": "CR0=80050033 EFER=0000000000000d01\nIDT=     fffffe0000000000 00000fff",
}
_VERSION = "QEMU emulator version 9.9.9 (a stand-in)"


class CommandLine:
    """What the stand-in reads of QEMU's arguments."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self.sockets = {row["id"]: row["path"] for row in self._all("-chardev") if "path" in row}
        netdev = next(self._all("-netdev"))
        self.guest, _ = netdev["hostfwd"].rpartition("-")[2].split(":")
        self.router = netdev["host"]
        self.mac = next(row["mac"] for row in self._all("-device") if "mac" in row)
        dump = next(row for row in self._all("-object") if row[""] == "filter-dump")
        self.capture_file = dump["file"]

    def _all(self, option: str):  # type: ignore[no-untyped-def]
        for at, word in enumerate(self._words):
            if word == option and not self._words[at + 1].startswith("{"):
                yield _options(self._words[at + 1])


def _options(text: str) -> dict[str, str]:
    """``driver,key=value``: a comma in a value is doubled. What has no key is under ""."""
    rows: dict[str, str] = {}
    for part in text.replace(",,", "\0").split(","):
        key, is_pair, value = part.partition("=")
        rows[key if is_pair else rows.setdefault("", key)] = value.replace("\0", ",")
    rows[""] = text.partition(",")[0]
    return rows


class Monitor:
    """QMP over the socket on which harness listens."""

    def __init__(self, line: CommandLine, scenario: dict[str, object], guest: Guest) -> None:
        self._scenario = scenario
        self._guest = guest
        self._line = line
        self._socket = _connect(line.sockets["qmp"])
        self._sending = threading.Lock()
        self._knocks = socket.create_server(("127.0.0.1", 0))

    def send(self, row: dict[str, object]) -> None:
        with self._sending:
            self._socket.sendall(json.dumps(row).encode() + b"\r\n")

    def event(self, name: str, data: dict[str, object]) -> None:
        now_s = time.time()
        at = {"seconds": int(now_s), "microseconds": int(now_s % 1 * 1_000_000)}
        self.send({"event": name, "data": data, "timestamp": at})

    def serve(self) -> None:
        """Greet and answer until the other side is gone."""
        version = {"qemu": {"major": 9, "minor": 9, "micro": 9}, "package": "a stand-in"}
        self.send({"QMP": {"version": version, "capabilities": []}})
        for request in self._requests():
            name, arguments = request["execute"], request.get("arguments", {})
            if name in self._scenario.get("unanswered", ()):
                continue
            if name != "qmp_capabilities":
                time.sleep(self._scenario.get("answer_after_s", 0))
            answer = {"return": self._answer(name, arguments)}
            self.send(answer | ({"id": request["id"]} if "id" in request else {}))
            if name == "quit":
                return

    def _requests(self):  # type: ignore[no-untyped-def]
        """Each JSON object that comes; nothing stands between two of them."""
        text, decoder = "", json.JSONDecoder()
        while chunk := self._socket.recv(1 << 16):
            text += chunk.decode()
            while text:
                try:
                    request, end = decoder.raw_decode(text)
                except ValueError:
                    break  # the rest is still to come
                text = text[end:].lstrip()
                yield request

    def _answer(self, name: str, arguments: dict[str, object]) -> object:
        if name == "human-monitor-command":
            return self._human(str(arguments["command-line"]))
        if name == "query-blockstats":
            stats = {"rd_bytes": self._guest.read_bytes, "wr_bytes": self._guest.written_bytes}
            return [{"node-name": "disk", "stats": stats}]
        if name == "query-status":
            return {"running": self._guest.is_on, "status": "running", "singlestep": False}
        if name == "screendump":
            picture = _png() if arguments.get("format") == "png" else _ppm()
            _write(str(arguments["filename"]), picture)
        elif name == "pmemsave":
            _write(str(arguments["filename"]), bytes(int(str(arguments["size"]))))
        elif name == "cont":
            self._guest.switch_on()
        return {}

    def _human(self, line: str) -> str:
        if line == "info registers":
            return _REGISTERS[self._guest.mode]
        if line == "info usernet":
            host, port = self._knocks.getsockname()
            row = f"  TCP[HOST_FORWARD]  13 {host} {port} {self._line.guest} 22 0 0\r\n"
            return "Hub -1 (net):\r\n  Protocol[State] FD Source\r\n" + row
        return ""


class Guest:
    """Plays the steps of a scenario."""

    def __init__(self, line: CommandLine, steps: list[Step]) -> None:
        self._line = line
        self._steps = steps
        self._capture = open(line.capture_file, "wb", buffering=0)  # noqa: SIM115, PTH123
        # pcap-savefile(5): Ethernet, whole frames.
        self._capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1))
        self._streams = {
            name: _connect(line.sockets[name]) for name in ("serial", "firmware", "receiver")
        }
        for stream in self._streams.values():
            threading.Thread(target=_drain, args=(stream,), daemon=True).start()
        self.monitor: Monitor | None = None
        self.mode = "real"
        self.read_bytes = self.written_bytes = 0
        self.is_on = False

    def switch_on(self) -> None:
        if not self.is_on:
            self.is_on = True
            threading.Thread(target=self._play, daemon=True).start()

    def _play(self) -> None:
        for name, *arguments in self._steps:
            getattr(self, str(name))(*arguments)

    def serial(self, *lines: str) -> None:
        """It prints lines on its serial console."""
        self._streams["serial"].sendall("".join(f"{line}\r\n" for line in lines).encode())

    def firmware(self, *lines: str) -> None:
        """Its firmware writes lines to its log."""
        self._streams["firmware"].sendall("".join(f"{line}\n" for line in lines).encode())

    def kernel(self) -> None:
        """Its processor runs a kernel in 64-bit mode, which has read its disk."""
        self.mode = "long"
        self.read_bytes += 1 << 20

    def frame(self, kind: str) -> None:
        """It sends an Ethernet frame from its own address: ``arp-reply`` or ``tcp-reset``."""
        mac = bytes.fromhex(self._line.mac.replace(":", ""))
        guest, router = (socket.inet_aton(x) for x in (self._line.guest, self._line.router))
        to_router = bytes.fromhex("52550a000202")
        if kind == "arp-reply":
            # RFC 826: Ethernet and IPv4, operation 2.
            packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + guest + to_router + router
            ether_type = 0x0806
        else:
            # RFC 791 and RFC 9293: a header of 20 bytes each, RST and ACK.
            segment = struct.pack("!HHIIBBHHH", 22, 50000, 0, 1, 5 << 4, 0x14, 0, 0, 0)
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0)
            packet = head + guest + router + segment
            ether_type = 0x0800
        data = (to_router + mac + struct.pack("!H", ether_type) + packet).ljust(60, b"\0")
        self._capture.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)

    def stop(self, seconds: float) -> None:
        """The host stops its QEMU for some seconds, as Ctrl-Z and a freezer do."""
        program = f"sleep {seconds}; kill -CONT {os.getpid()}"
        subprocess.Popen(["/bin/sh", "-c", program])
        os.kill(os.getpid(), signal.SIGSTOP)

    def call(self, path: str, body: str = "") -> None:
        """It posts ``body`` to a path of the receiver."""
        head = f"POST {path} HTTP/1.1\r\nHost: receiver\r\nContent-Length: {len(body)}\r\n\r\n"
        self._streams["receiver"].sendall((head + body).encode())

    def event(self, name: str, data: dict[str, object]) -> None:
        """QEMU tells of an event."""
        assert self.monitor
        self.monitor.event(name, data)

    def wait(self, seconds: float) -> None:
        """It does nothing for a while."""
        time.sleep(seconds)

    def repeat(self, text: str, count: int) -> None:
        """It prints the same line again and again."""
        self._streams["serial"].sendall((text + "\r\n").encode() * count)

    def flood(self, text: str) -> None:
        """It prints the same line again and again until it is ended: some 1000 in a second."""
        while True:
            self.repeat(text, 10)
            time.sleep(0.01)

    def flood_events(self, name: str) -> None:
        """QEMU tells of an event again and again until it is ended: some 1000 in a second."""
        while True:
            for _ in range(10):
                self.event(name, {})
            time.sleep(0.01)

    def die(self, words: str, status: int) -> None:
        """QEMU ends, with these last words."""
        print(words, file=sys.stderr, flush=True)
        os._exit(status)

    def die_of(self, number: int) -> None:
        """QEMU is ended by a signal."""
        os.kill(os.getpid(), number)
        time.sleep(60)


def _connect(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    return stream


def _drain(stream: socket.socket) -> None:
    while stream.recv(1 << 16):
        pass


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:  # noqa: PTH123  pathlib takes as long to import as all else
        file.write(content)


def _ppm() -> bytes:
    return b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT) + bytes(3 * WIDTH * HEIGHT)


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + WIDTH) * HEIGHT))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def main(scenario_file: str, words: list[str]) -> None:
    if "--version" in words:
        print(_VERSION)
        return
    with open(scenario_file, "rb") as file:  # noqa: PTH123
        scenario = json.load(file)
    if "start_fault" in scenario:
        sys.exit(f"qemu-system-x86_64: {scenario['start_fault']}")
    line = CommandLine(words)
    guest = Guest(line, scenario.get("guest", []))
    if scenario.get("never_connects"):
        time.sleep(3600)
    guest.monitor = Monitor(line, scenario, guest)
    guest.monitor.serve()
    # At once: a guest that floods is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
