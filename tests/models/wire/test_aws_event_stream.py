"""Amazon's event stream beside botocore's own reader of it."""

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import StreamCut
from guru.models.wire.aws_event_stream import AwsEventStream

TYPES = {bool: None, int: 5, bytes: 6, str: 7}


def encode_header(name, value):
    head = bytes([len(name.encode())]) + name.encode()
    if isinstance(value, bool):
        return head + bytes([0 if value else 1])
    if isinstance(value, int):
        for kind, form in ((2, "!b"), (3, "!h"), (4, "!i"), (5, "!q")):
            try:
                return head + bytes([kind]) + struct.pack(form, value)
            except struct.error:
                continue
    raw = value.encode() if isinstance(value, str) else value
    return head + bytes([7 if isinstance(value, str) else 6]) + struct.pack("!H", len(raw)) + raw


def encode_message(payload=b"", **headers):
    """One message. Underscores in names of headers are hyphens, and a colon stands before them."""
    return pack({":" + name.replace("_", "-"): value for name, value in headers.items()}, payload)


def pack(headers, payload):
    raw = b"".join(encode_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(raw) + len(payload), len(raw))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + raw + payload
    return body + struct.pack("!I", zlib.crc32(body))


VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20) | st.text(max_size=20)
HEADERS = st.dictionaries(st.text(min_size=1, max_size=10), VALUES, max_size=4)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=4)


@given(MESSAGES, st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_messages_are_read_as_botocore_reads_them(messages, size):
    data = b"".join(pack(*message) for message in messages)
    theirs = EventStreamBuffer()
    theirs.add_data(data)
    reader, found = AwsEventStream(), []
    for start in range(0, len(data), size):
        found += reader.feed(data[start : start + size])
    reader.end()
    assert [(each.headers, each.payload) for each in found] == [(each.headers, each.payload) for each in theirs]
    assert [(each.headers, each.payload) for each in found] == messages


def test_every_kind_of_header_is_read():
    raw = b"\x01t\x08" + struct.pack("!q", 1_700_000_000_000) + b"\x01u\x09" + bytes(range(16))
    prelude = struct.pack("!II", 16 + len(raw), len(raw))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + raw
    (message,) = AwsEventStream().feed(body + struct.pack("!I", zlib.crc32(body)))
    assert message.headers == {"t": 1_700_000_000_000, "u": bytes(range(16))}
    assert (message.text("t"), message.text("x")) == ("", "")


@given(MESSAGES.filter(bool), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_noticed(messages, data):
    whole = bytearray(b"".join(pack(*message) for message in messages))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    reader = AwsEventStream()
    with pytest.raises(StreamCut):
        reader.feed(bytes(whole))
        reader.end()


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_garbage_is_a_cut_and_nothing_else(data):
    reader = AwsEventStream()
    try:
        reader.feed(data)
        reader.end()
    except StreamCut:
        return
    assert data == b""


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (20, 8), (2**31, 2**30), (2**31, 4)])
def test_impossible_lengths_are_not_waited_for(total, headers):
    prelude = struct.pack("!II", total, headers)
    with pytest.raises(StreamCut, match="impossible"):
        AwsEventStream().feed(prelude + struct.pack("!I", zlib.crc32(prelude)))
