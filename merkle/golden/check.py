#!/usr/bin/env python3
"""Second implementation of mirrormesh's tree format, version 1, for checking golden vectors.

Written from the format's description, not from the Rust code; needs `pip install blake3`.

    check.py            compare every vector's root and totals with vectors.json
    check.py --write    compute them and write them into vectors.json

Format: see the heads of merkle/src/node.rs, entry.rs and attributes.rs.
"""

import json
import pathlib
import sys

from blake3 import blake3

VECTORS = pathlib.Path(__file__).with_name("vectors.json")
LEAF_ENTRIES = 128


def derived(context, data):
    return blake3(data, derive_key_context=context).digest()


def varint(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed(value):
    return varint(2 * value if value >= 0 else -2 * value - 1)


def raw(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


def short(data):
    """Bytes after their length in one byte."""
    return bytes([len(data)]) + data


def attributes(item):
    """The flag and the bytes for optional metadata."""
    given = item.get("attributes")
    if not given:
        return 0, b""
    present, parts = 0, b""
    for bit, key in ((1, "owner"), (2, "group")):
        if key in given:
            present |= bit
            parts += short(raw(given[key]))
    pairs = sorted((raw(name), raw(value)) for name, value in given.get("xattrs", []))
    if pairs:
        present |= 4
        parts += varint(len(pairs))
        for name, value in pairs:
            parts += short(name) + varint(len(value)) + value
    body = bytes([present]) + parts
    return 0x40, varint(len(body)) + body


class Directory:
    def __init__(self, item):
        self.item = item
        self.names = {}


def grow(vector):
    """The vector's entries as nested dictionaries."""
    top = Directory(None)
    flat = []
    for item in vector["entries"]:
        path = raw(item["path"])
        if "count" in item:
            flat += [(path + b"%04d" % number, item) for number in range(item["count"])]
        else:
            flat.append((path, item))
    for path, item in sorted(flat, key=lambda pair: pair[0].split(b"/")):
        *parents, name = path.split(b"/")
        place = top
        for parent in parents:
            place = place.names[parent]
        place.names[name] = Directory(item) if item["kind"] == "directory" else item
    return top


def entry(name, thing):
    """An entry's bytes and its (files, bytes)."""
    item = thing.item if isinstance(thing, Directory) else thing
    flag, extra = attributes(item)
    if isinstance(thing, Directory):
        node, _, files, size = directory(thing)
        kind, totals = 2, (files, size)
        body = int(item["mode"], 8).to_bytes(2, "little") + node + varint(files) + varint(size)
    elif item["kind"] == "file":
        content = raw(item["content"])
        size = item.get("size", len(content))
        kind, totals = 1 | (0x80 if item.get("unserved") else 0), (1, size)
        seconds, nanoseconds = item["mtime"]
        body = int(item["mode"], 8).to_bytes(2, "little") + signed(seconds)
        body += nanoseconds.to_bytes(4, "little") + varint(size) + blake3(content).digest()
    else:
        target = raw(item["target"])
        kind, totals = 3, (0, 0)
        body = varint(len(target)) + target
    return bytes([kind | flag]) + short(name) + body + extra, totals


def slot(name):
    """The 64 nibbles that place a name, as hex digits."""
    return derived("mirrormesh 2026-11 name slot v1", name).hex()


def directory(place):
    return node({name: entry(name, thing) for name, thing in place.names.items()}, "")


def node(entries, prefix):
    """Hash, entries, files and bytes of the node at a prefix."""
    mine = {name: value for name, value in entries.items() if slot(name).startswith(prefix)}
    files = sum(totals[0] for _, totals in mine.values())
    size = sum(totals[1] for _, totals in mine.values())
    if len(mine) <= LEAF_ENTRIES:
        data = b"L\x01" + varint(len(mine)) + b"".join(mine[name][0] for name in sorted(mine))
        context = "mirrormesh 2026-11 directory leaf v1"
    else:
        bitmap, children = 0, b""
        for nibble in range(16):
            hashed, *totals = node(mine, prefix + "%x" % nibble)
            if totals[0]:
                bitmap |= 1 << nibble
                children += hashed + b"".join(map(varint, totals))
        data = b"I\x01" + bytes([len(prefix)]) + bitmap.to_bytes(2, "little") + children
        context = "mirrormesh 2026-11 directory interior v1"
    return derived(context, data), len(mine), files, size


def main():
    document = json.loads(VECTORS.read_text())
    wrong = 0
    for vector in document["vectors"]:
        root, _, files, size = directory(grow(vector))
        computed = {"root": root.hex(), "files": files, "bytes": size}
        if "--write" in sys.argv:
            vector.update(computed)
        elif {key: vector.get(key) for key in computed} != computed:
            wrong += 1
            print("differs:", vector["name"], computed)
    if "--write" in sys.argv:
        VECTORS.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
    print(len(document["vectors"]), "vectors,", wrong, "wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
