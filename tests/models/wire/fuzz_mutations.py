"""Samples turned into what nobody documents: JSON with its members changed, streams with their pieces mixed, bytes."""

import copy
import json

import msgspec

from guru.models.wire.fields import NOT_JSON

ODD = [
    None, True, False, 0, -1, 1, 7, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "\x00", "é", "🦊", "\ud800", "a\r\n\r\nb", "null", "NaN", "{", "{}", "[DONE]", "0", "-1",
    "data:", "data:;base64,", "data:image/png;base64,AA==", "data:text/plain;base64,/w==", "https://", "http://[",
    "s3://", "gs://a", "type", "text", "function", "tool", "system", "error", "1" * 5000, [], {}, [None], [[]],
    [{}], {"": None}, {"type": None}, {"type": []}, {"type": "error"}, {"error": {}}, [0, 1], ["a"], {"a": {"b": []}},
]  # fmt: skip
NEST = "@nest:%d:%d@"
"""Stands in JSON text for lists or objects in each other: the standard library cannot write them as deep."""
OURS = [
    "type", "index", "error", "", "anthropic", "ollama", "cohere", "gemini", "bedrock", "guru", "choice", "usage",
    "upstream", "annotations", "audio", "content_parts", "tool_calls", "citation", "content_block", "new_block",
    "tool_use", "parts", "citations", "url_citation", "reasoning", "extra", "logprobs", "transcript", "data",
]  # fmt: skip
"""Names that mean something to our encoders: a provider may have members that are called so by chance."""
DEPTHS = (20, 200, 900, 1100, 20_000)
BYTES = [b"\x00", b"\xff", b"\xed\xa0\x80", b"\r", b"\n", b"\n\n", b"\r\n", b"data:", b"event: error\n", b":", b"{",
         b"}", b"[", b"]", b'"', b"\\", b"\\ud800", b"1e999", b"-", b"\xef\xbb\xbf", b"\x00\x00\x00\x00",
         b"\xff\xff\xff\xff"]  # fmt: skip


def places(value, path=()):
    """Paths of everything in a JSON value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def odd(random, words):
    choice = random.random()
    if choice < 0.75:
        return copy.deepcopy(random.choice(ODD))
    if choice < 0.93:
        return random.choice(words)
    if choice < 0.95:
        return "x" * random.choice((100, 70_000))
    return NEST % (random.randrange(2), random.choice(DEPTHS))


def mutate_json(value, random, words):
    """`value` with one or several changes. `words` are strings that mean something in such a format."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        path = random.choice(list(places(value)))
        if not path:
            if random.random() < 0.05:
                return odd(random, words)
            continue
        holder, key = at(value, path[:-1]), path[-1]
        match random.randrange(9):
            case 0 | 1 | 2:
                holder[key] = odd(random, words)
            case 3:
                del holder[key]
            case 4:
                holder[key] = [holder[key]] if random.random() < 0.5 else {random.choice(words): holder[key]}
            case 5:
                holder[key] = copy.deepcopy(at(value, random.choice(list(places(value)))))
            case 6:
                if isinstance(holder, list):
                    holder.insert(random.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
                else:
                    holder[random.choice(words)] = holder.pop(key)
            case 7:
                if isinstance(holder, dict):
                    holder[random.choice(words)] = odd(random, words)
                else:
                    random.shuffle(holder)
            case 8:
                before = holder[key]
                holder[key] = str(before) if isinstance(before, int | float) else json.dumps(before)
    return value


def write_json(value, random):
    """JSON text; sometimes with what is none, such as NaN and half of a surrogate pair."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    start = 0
    while (start := text.find('"@nest:', start)) >= 0:
        end = text.index("@", start + 2) + 2
        kind, depth = map(int, text[start + 2 : end - 2].split(":")[1:])
        nested = '{"a":' * depth + "0" + "}" * depth if kind else "[" * depth + "]" * depth
        text = text[:start] + nested + text[end:]
    return text.encode("utf-8", "surrogatepass")


def read_back(value, random):
    """A value as a decoder would have it: an object, and nothing that JSON has no word for."""
    try:
        read = msgspec.json.decode(write_json(value, random))
    except NOT_JSON:
        return {}
    # The tool calls are our decoders' own: no provider's member of that name gets there.
    return {name: inner for name, inner in read.items() if name != "tool_calls"} if isinstance(read, dict) else {}


def mutate_bytes(data, random):
    """`data` with bytes flipped, cut out, doubled or put in."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(data) + 1)
        match random.randrange(5):
            case 0:
                if place < len(data):
                    data[place] ^= 1 << random.randrange(8)
            case 1:
                del data[place : place + random.choice((1, 2, 10, len(data)))]
            case 2:
                data[place:place] = data[place : place + random.choice((1, 5, 50))]
            case 3:
                data[place:place] = random.choice(BYTES)
            case 4:
                data[place : place + 2] = random.choice(BYTES)
    return bytes(data)


def mutate_list(pieces, random, others):
    """Pieces of a stream dropped, doubled, mixed, cut off, or joined by those of another stream."""
    pieces = list(pieces)
    match random.randrange(6):
        case 0:
            del pieces[random.randrange(len(pieces) + 1) :]
        case 1 if pieces:
            del pieces[random.randrange(len(pieces))]
        case 2 if pieces:
            pieces.insert(random.randrange(len(pieces) + 1), random.choice(pieces))
        case 3:
            random.shuffle(pieces)
        case 4 if others:
            pieces.insert(random.randrange(len(pieces) + 1), random.choice(others))
        case _ if len(pieces) > 1:
            first = random.randrange(len(pieces) - 1)
            pieces[first], pieces[first + 1] = pieces[first + 1], pieces[first]
    return pieces


def split(data, random):
    """`data` in pieces, as a network might deliver it."""
    size = random.choice((0, 0, 1, 7, 100))
    if not size or len(data) > 20_000:
        return [data] if data else []
    return [data[start : start + size] for start in range(0, len(data), size)]


def words_of(*values):
    """All keys and short strings in JSON values."""
    found = {*OURS}
    for value in values:
        for path in places(value):
            found.update(key for key in path if isinstance(key, str))
            inner = at(value, path)
            if isinstance(inner, str) and len(inner) < 40:
                found.add(inner)
    return sorted(found)
