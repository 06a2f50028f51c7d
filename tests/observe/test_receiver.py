from pathlib import Path

import pytest

from harness.evidence import events
from harness.evidence.log import EvidenceLog, Observation
from harness.observe.receiver import Receiver


@pytest.fixture
def calls(tmp_path: Path) -> list[Observation]:
    return []


@pytest.fixture
def receiver(tmp_path: Path, calls: list[Observation]):
    with EvidenceLog(tmp_path / "evidence.jsonl") as log:
        log.subscribe(calls.append)
        yield Receiver(log)


def post(path: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 203.0.113.2\r\nConnection: keep-alive\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        f"{body}"
    ).encode()


def test_a_call_is_recorded_with_its_fields_and_answered(receiver, calls) -> None:
    answer = receiver.feed(post("/nonce/phone-home", "instance_id=i-1&hostname=h%20x&pub_key_rsa="))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n")
    assert calls[0].event == events.Call(
        "/nonce/phone-home", {"instance_id": "i-1", "hostname": "h x", "pub_key_rsa": ""}
    )


def test_a_call_that_comes_byte_by_byte(receiver, calls) -> None:
    request = post("/n/ready", "errors=%5B%5D")
    answers = [receiver.feed(request[at : at + 1]) for at in range(len(request))]
    assert [bool(answer) for answer in answers] == [False] * (len(request) - 1) + [True]
    assert calls[0].event.fields == {"errors": "[]"}


def test_calls_of_several_connections_on_one_stream(receiver, calls) -> None:
    assert receiver.feed(post("/a", "x=1") + post("/b", "y=2")).count(b"200 OK") == 2
    receiver.feed(b"GET /c HTTP/1.0\r\n\r\n")
    assert [call.event.path for call in calls] == ["/a", "/b", "/c"]


def test_bytes_that_are_not_http_are_skipped(receiver, calls) -> None:
    assert receiver.feed(b"\x16\x03\x01\x00\xa5hello\r\n\r\n") == b""
    assert receiver.feed(b"garbage\r\n\r\n" + post("/after", "z=1")) != b""
    assert [call.event.path for call in calls] == ["/after"]


def test_a_request_that_breaks_off_does_not_swallow_the_next(receiver, calls) -> None:
    receiver.feed(b"POST /broken HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n")
    receiver.feed(post("/next", "z=1"))
    assert [call.event.path for call in calls] == ["/next"]


def test_headers_without_end_and_bodies_without_bound(receiver, calls) -> None:
    receiver.feed(b"POST /x HTTP/1.1\r\n" + b"X: y\r\n" * 10_000)
    receiver.feed(post("/big", "a=" + "b" * 1_000_000))
    assert calls[-1].event.path == "/big"
    assert len(calls[-1].event.fields["a"]) == 4096


def test_a_request_with_an_invalid_length_is_skipped(receiver, calls) -> None:
    receiver.feed(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")
    receiver.feed(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
    receiver.feed(post("/good", ""))
    assert [call.event.path for call in calls] == ["/good"]


def test_a_service_answers_with_its_bodies_and_finds_nothing_else(tmp_path, calls) -> None:
    with EvidenceLog(tmp_path / "evidence.jsonl") as log:
        log.subscribe(calls.append)
        receiver = Receiver(log, bodies={"/openstack": b"latest\n"})
        found = receiver.feed(b"GET /openstack HTTP/1.1\r\nHost: x\r\n\r\n")
        missing = receiver.feed(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
        called = receiver.feed(post("/nonce/phone-home", "a=b"))
    assert found.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n")
    assert found.endswith(b"\r\n\r\nlatest\n")
    assert missing.startswith(b"HTTP/1.1 404 ")
    assert called.endswith(b"ok\n")
    assert [row.event.path for row in calls] == ["/openstack", "/other", "/nonce/phone-home"]
