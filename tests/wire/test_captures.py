"""Captures: a reader of our own, and tshark where it is installed, understand what is written."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import struct
import subprocess

import pytest

import simloop

from .machines import PORT, SERVER, connect, outcome, serve_echo


def blocks(raw):
    """Yield the type and the body of each block, and assert that its two lengths agree."""
    offset = 0
    while offset < len(raw):
        kind, size = struct.unpack_from("<II", raw, offset)
        assert size % 4 == 0
        assert struct.unpack_from("<I", raw, offset + size - 4)[0] == size
        yield kind, raw[offset + 8 : offset + size - 4]
        offset += size


def packets(raw):
    """Return (time in ns, frame) of each packet of a pcapng file."""
    kinds = list(blocks(raw))
    assert kinds[0][0] == 0x0A0D0D0A
    assert struct.unpack_from("<I", kinds[0][1])[0] == 0x1A2B3C4D
    assert kinds[1][0] == 1
    found = []
    for kind, body in kinds[2:]:
        assert kind == 6
        _, high, low, size, original = struct.unpack_from("<IIIII", body)
        assert size == original
        found.append((high << 32 | low, body[20 : 20 + size]))
    return found


def internet_sum(data):
    """Return the sum of RFC 1071: 0 where a checksum is in place."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def parse_ip(frame):
    """Return protocol, source, destination, offset of a fragment and payload; check the header."""
    assert frame[12:14] == b"\x08\x00"
    header, payload = frame[14:34], frame[34:]
    assert internet_sum(header) == 0
    size, flags = struct.unpack("!H", header[2:4])[0], struct.unpack("!H", header[6:8])[0]
    assert size == len(header) + len(payload)
    return header[9], header[12:16], header[16:20], (flags & 0x1FFF) * 8, payload


def parse_tcp(frame):
    """Return the fields of a TCP segment whose checksum is right."""
    protocol, source, destination, _, segment = parse_ip(frame)
    assert protocol == 6
    pseudo = source + destination + struct.pack("!HH", protocol, len(segment))
    assert internet_sum(pseudo + segment) == 0
    sport, dport, seq, ack, size, flags, window = struct.unpack_from("!HHIIBBH", segment)
    return {
        "from": sport,
        "to": dport,
        "seq": seq,
        "ack": ack,
        "flags": flags,
        "window": window,
        "data": segment[(size >> 4) * 4 :],
    }


def captured(machines, path, main):
    with machines.net.capture(path):
        machines.run(main)
    return path.read_bytes()


def talk(machines):
    """Return a program that says hello, hears it and closes."""
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"hello")
        assert await loop.sock_recv(sock, 100) == b"hello"
        sock.close()
        await asyncio.sleep(1)

    return main


def test_a_conversation_reads_as_one(machines, tmp_path):
    """Handshake, data and end have their flags, numbers, payload and times."""
    made = machines()
    frames = packets(captured(made, tmp_path / "run.pcapng", talk(made)))
    segments = [parse_tcp(frame) for _, frame in frames]
    assert [hex(each["flags"]) for each in segments[:5]] == ["0x2", "0x12", "0x10", "0x18", "0x10"]
    syn, answer, third, hello = segments[:4]
    assert syn["to"] == answer["from"] == PORT
    assert answer["ack"] == syn["seq"] + 1
    assert (third["seq"], third["ack"]) == (syn["seq"] + 1, answer["seq"] + 1)
    assert (hello["seq"], hello["data"]) == (syn["seq"] + 1, b"hello")
    assert [when for when, _ in frames[:4]] == [10**9, 1_025_000_000, 1_050_000_000, 1_050_000_000]
    assert [each["from"] for each in segments if each["flags"] & 1] == [syn["from"], PORT]


@pytest.mark.parametrize("mtu", [576, 1500, 9000])
def test_both_first_packets_tell_the_largest_segment(machines, tmp_path, mtu):
    """The option of SYN and SYN+ACK is what the path lets through, less 40 bytes (RFC 6691)."""
    made = machines(mtu=mtu)
    frames = packets(captured(made, tmp_path / "run.pcapng", talk(made)))
    told = [struct.unpack_from("!BBH", frame, 14 + 20 + 20) for _, frame in frames[:2]]
    assert told == [(2, 4, mtu - 40)] * 2


def test_a_large_datagram_is_fragments(machines, tmp_path):
    """Fragments put together are the datagram, header and all, with its checksum."""
    made = machines()

    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(bytes(range(250)) * 16, (SERVER, 9))
        await asyncio.sleep(1)

    frames = [frame for _, frame in packets(captured(made, tmp_path / "run.pcapng", main))]
    parts = [parse_ip(frame) for frame in frames]
    assert [(part[0], part[3]) for part in parts] == [(17, 0), (17, 1480), (17, 2960), (1, 0)]
    whole = b"".join(part[4] for part in parts[:3])
    assert whole[8:] == bytes(range(250)) * 16
    assert struct.unpack_from("!H", whole, 4)[0] == len(whole)
    pseudo = parts[0][1] + parts[0][2] + struct.pack("!HH", 17, len(whole))
    assert internet_sum(pseudo + whole) == 0
    assert parts[3][4][:2] == b"\x03\x03"  # Port unreachable.
    assert internet_sum(parts[3][4]) == 0


def test_a_refusal_is_an_icmp_error(machines, tmp_path):
    """What a router refuses is quoted in its error: Wireshark finds the connection by it."""
    made = machines()
    made.net.partition("localhost", "server", refuse=True)

    async def main():
        assert await outcome(connect()) == "EHOSTUNREACH"

    frames = [frame for _, frame in packets(captured(made, tmp_path / "run.pcapng", main))]
    assert parse_tcp(frames[0])["flags"] == 2
    protocol, source, _, _, error = parse_ip(frames[1])
    assert (protocol, socket.inet_ntoa(source), error[:2]) == (1, SERVER, b"\x03\x01")
    assert error[8:48] == frames[0][14:54]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_it(machines, tmp_path):
    """Tshark finds no malformed packet, no wrong checksum and no lost segment."""
    made = machines()
    captured(made, tmp_path / "run.pcapng", talk(made))
    line = ["tshark", "-r", str(tmp_path / "run.pcapng"), "-o", "tcp.check_checksum:TRUE"]
    line += ["-T", "fields", "-e", "_ws.expert.message", "-e", "tcp.stream", "-e", "tcp.len"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert not [text for text in ("alformed", "incorrect", "not captured") if text in done.stdout]
    assert "\t0\t5" in done.stdout


def test_a_capture_is_no_part_of_the_run(tmp_path):
    """Whoever looks at the packets of a run has the run that he wanted to see, digest and all."""

    def program(*, looks):
        async def serve():
            async with await asyncio.start_server(lambda _, w: w.close(), None, 80) as server:
                await server.serve_forever()

        async def main():
            world = simloop.current_world()
            world.add_host("server", serve)
            await asyncio.sleep(0.1)
            path = tmp_path / "seen.pcapng"
            with world.network.capture(path) if looks else contextlib.nullcontext():
                reader, writer = await asyncio.open_connection("server", 80)
                await reader.read()
                writer.close()
            assert not looks or path.stat().st_size > 500

        return main

    plain, seen = (simloop.simulate(program(looks=each)) for each in (False, True))
    assert seen == plain
    assert plain.error is None
