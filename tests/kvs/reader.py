#!/usr/bin/env python3
"""Reads a volume of the Secure KVS as docs/formats/kvs.md says, and nothing else: no code is shared with the engine.

usage: reader.py DIR KEY_FILE [SEEN_FILE]

SEEN_FILE is given a list of the format's parts that the volume had in it, so that a test knows what it has tested.
Prints all pairs in order, one a line: key TAB value, in hexadecimal.  DIR is a directory store: `root`, and objects in
files `o.NAME`.  The counter is not asked.  Exit code 1 and a word why where the document is not obeyed."""
import ctypes
import hashlib
import hmac
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG = 16
HEADER = 8
U64 = (1 << 64) - 1


SEEN = set()


class Refused(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Refused(why)


# ---- bytes ----

class Reader:
    """Bounded: nothing is read behind the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(size <= self.left(), "cut short")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def varint(self):
        v = shift = 0
        while True:
            b = self.u8()
            need(shift < 63 or b <= 1, "varint too large")
            v |= (b & 0x7f) << shift
            if b < 0x80:
                need(b != 0 or shift == 0, "varint not minimal")
                return v
            shift += 7

    def lvar(self):
        return self.take(self.varint())

    def lv32(self):
        return self.take(self.u32())

    def end(self):
        need(self.left() == 0, "trailing bytes")


def unzigzag(v):
    return (v >> 1) ^ -(v & 1)


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def unpack_zstd(packed, plain_size):
    lib = ctypes.CDLL("libzstd.so.1")
    lib.ZSTD_decompress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(max(plain_size, 1))
    n = lib.ZSTD_decompress(out, ctypes.c_size_t(plain_size), packed, ctypes.c_size_t(len(packed)))
    need(n == plain_size, "zstd")
    return out.raw[:plain_size]


# ---- keys ----

def nonce(prefix, count):
    return struct.pack(">IQ", prefix, count)


def header(magic):
    return magic + struct.pack(">HH", 2, 0)


class Volume:
    def __init__(self, directory, root_key):
        self.dir, self.root_key = directory, root_key
        self.data_keys = {}

    def object(self, object_id):
        return (self.dir / ("o." + object_id.hex())).read_bytes()

    def aead(self, purpose, key, object_id):
        info = struct.pack(">H", len(purpose)) + purpose + self.id + object_id
        return AESGCM(hmac.new(key, info + b"\x01", hashlib.sha256).digest())

    def data_aead(self, purpose, key_id, object_id):
        need(key_id in self.data_keys, "no such data key")
        return self.aead(purpose, self.data_keys[key_id], object_id)

    # ---- root record ----

    def root_open(self):
        record = (self.dir / "root").read_bytes()
        need(len(record) <= 4096 and record[:HEADER] == header(b"SCKR"), "root record: header")
        self.id, salt = record[8:24], record[24:40]
        plain = self.aead(b"kvs/root v2", self.root_key, salt).decrypt(nonce(0, 0), record[40:], record[:40])
        r = Reader(plain)
        self.generation, self.epoch, self.fresh = r.u64(), r.u64(), r.u64()
        for _ in range(r.u8()):
            key_id = r.u32()
            need(key_id > max(self.data_keys, default=0), "data keys: order")
            self.data_keys[key_id] = r.take(32)
        need(1 <= len(self.data_keys) <= 8, "data keys: count")
        self.manifest = r.take(16), r.u32(), r.u64(), r.take(TAG)
        self.logs = []
        for _ in range(r.u8()):
            self.logs.append(dict(id=r.take(16), key=r.u32(), sealed=r.u8(), groups=r.u64(), size=r.u64(),
                                  tag=r.take(TAG)))
        r.end()
        need(1 <= len(self.logs) <= 8 and all(log["sealed"] == 1 for log in self.logs[:-1]), "logs")

    # ---- manifest ----

    def manifest_read(self):
        object_id, key_id, size, tag = self.manifest
        data = self.object(object_id)
        need(len(data) == HEADER + size and data[:HEADER] == header(b"SCKM"), "manifest: size or header")
        plain = self.data_aead(b"kvs/manifest v2", key_id, object_id).decrypt(nonce(0, 0), data[HEADER:] + tag,
                                                                             data[:HEADER])
        r = Reader(plain)
        self.seq_flushed = r.u64()
        self.tables = []
        for _ in range(r.u32()):
            self.tables.append(dict(level=r.u8(), id=r.take(16), key=r.u32(), size=r.u64(), index_size=r.u32(),
                                    index_tag=r.take(TAG), entries=r.u64(), seq_min=r.u64(), seq_max=r.u64(),
                                    smallest=r.lvar(), largest=r.lvar()))
        self.ranges = [(r.u64(), r.lvar(), r.lvar()) for _ in range(r.u32())]
        r.end()
        SEEN.update("level %d" % min(t["level"], 1) for t in self.tables)
        SEEN.update("deleted range" for _ in self.ranges)

    # ---- tables ----

    def table_entries(self, t):
        data = self.object(t["id"])
        need(len(data) == t["size"] and data[:HEADER] == header(b"SCKT"), "table: size or header")
        aead = self.data_aead(b"kvs/table v2", t["key"], t["id"])
        start = len(data) - t["index_size"]
        r = Reader(aead.decrypt(nonce(1, 0), data[start:] + t["index_tag"], data[:HEADER]))
        seed, probes, bits = r.u64(), r.u8(), r.lv32()
        blocks = [(r.u32(), r.u32(), r.u8(), r.take(TAG), r.lvar()) for _ in range(r.u32())]
        r.end()
        at, out = HEADER, []
        for number, (stored, plain_size, codec, tag, last_key) in enumerate(blocks):
            plain = aead.decrypt(nonce(0, number), data[at:at + stored] + tag, data[:HEADER])
            at += stored
            SEEN.add("codec %d" % codec)
            if codec == 1:
                plain = unpack_zstd(plain, plain_size)
            need(len(plain) == plain_size, "block: size")
            out += columns(plain) if codec == 2 else rows(plain)
            need(out[-1][0] == last_key, "block: last key")
        need(at == start, "table: blocks do not fill it")
        need(len(out) == t["entries"] and out[0][0] == t["smallest"] and out[-1][0] == t["largest"], "table: entries")
        order = [(key, -seq) for key, seq, _ in out]
        need(order == sorted(set(order)), "table: order")
        seqs = [seq for _, seq, _ in out]
        need(min(seqs) == t["seq_min"] and max(seqs) == t["seq_max"], "table: seqs")
        for key in {key for key, _, _ in out}:
            need(bits == b"" or filter_has(seed, probes, bits, key), "table: filter denies a key that is there")
        return out

    # ---- logs ----

    def log_commits(self, log):
        """(seq, [records]) of each commit."""
        data = self.object(log["id"])
        aead = self.data_aead(b"kvs/log v2", log["key"], log["id"])
        out, count, at, tag = [], 0, HEADER, bytes(TAG)
        need(len(data) < HEADER or data[:HEADER] == header(b"SCKL") or not any(data), "log: header")
        while at + 20 <= len(data) and data[:HEADER] == header(b"SCKL"):
            size, head_tag = data[at:at + 4], data[at + 4:at + 20]
            try:
                aead.decrypt(nonce(0, count), head_tag, header(b"SCKL") + tag + size)
            except InvalidTag:
                break
            end = at + 20 + struct.unpack(">I", size)[0] + TAG
            if end > len(data):
                break
            try:
                body = aead.decrypt(nonce(1, count), data[at + 20:end], head_tag)
            except InvalidTag:
                break
            tag, at, count = data[end - TAG:end], end, count + 1
            out += self.group_commits(body)
        need(count >= log["groups"], "log: acknowledged groups are missing")
        if log["sealed"]:
            need((count, tag) == (log["groups"], log["tag"]) and (at if count else 0) == log["size"], "log: sealed end")
        need(not log["sealed"] or not any(data[at:]), "log: bytes behind the sealed end")
        return out

    def group_commits(self, body):
        r = Reader(body)
        fresh, generation, seq = r.u64(), r.u64(), r.u64()
        need(fresh > self.group_fresh and generation <= self.generation and seq == self.next_seq, "log: order")
        self.group_fresh = fresh
        out = []
        for _ in range(r.varint()):
            records = []
            for _ in range(r.varint()):
                kind = r.u8()
                need(kind <= 2, "log: record kind")
                SEEN.add("log record %d" % kind)
                records.append((kind, r.lvar(), r.lvar() if kind != 0 else b""))
            out.append((seq, records))
            seq += 1
        r.end()
        self.next_seq = seq
        return out

    # ---- all of it ----

    def pairs(self):
        self.root_open()
        self.manifest_read()
        newest = {}
        for t in self.tables:
            for key, seq, value in self.table_entries(t):
                if key not in newest or seq > newest[key][0]:
                    newest[key] = (seq, value)
        for seq, lower, upper in self.ranges:
            for key in [k for k in newest if lower <= k and (upper == b"" or k < upper)]:
                if newest[key][0] < seq:
                    newest[key] = (seq, None)
        self.next_seq, self.group_fresh = self.seq_flushed + 1, 0
        for log in self.logs:
            for seq, records in self.log_commits(log):
                for kind, key, value in records:
                    if kind == 2:
                        for k in [k for k in newest if key <= k and (value == b"" or k < value)]:
                            newest[k] = (seq, None)
                    else:
                        newest[key] = (seq, value if kind == 1 else None)
        return [(key, newest[key][1]) for key in sorted(newest) if newest[key][1] is not None]


# ---- blocks ----

def rows(plain):
    r, out, key = Reader(plain), [], b""
    while r.left():
        shared = r.varint()
        need(shared <= len(key), "rows: shared bytes")
        key = key[:shared] + r.lvar()
        word, value = r.varint(), r.lvar()
        need(key != b"" and (word & 1 or value == b""), "rows: entry")
        out.append((key, word >> 1, value if word & 1 else None))
    return out


class Series:
    def __init__(self, r):
        self.width, self.form = r.u8(), r.u8()
        need(self.width <= 64 and self.form <= 9, "series")
        base = r.varint()
        self.base = base if self.form == 0 else unzigzag(base)
        self.slope = unzigzag(r.varint())
        SEEN.update(["form %s" % ("0" if self.form == 0 else "decimal"), "slope %d" % (self.slope != 0),
                     "width %s" % (self.width if self.width in (0, 64) else "between")])

    def word(self, row, residual):
        k = (self.base + self.slope * row + residual) & U64
        if self.form == 0:
            return k
        return struct.unpack("<Q", struct.pack("<d", float(signed(k)) / float(10 ** (self.form - 1))))[0]


def columns(plain):
    r = Reader(plain)
    count, seq_max, flags, prefix = r.u16(), r.varint(), r.u8(), r.lvar()
    need(1 <= count <= 1024 and flags <= 7, "columns: head")
    SEEN.update(["flag %d %s" % (f, "on" if flags & f else "off") for f in (1, 2, 4)])
    series = [Series(r)]
    suffix_size = r.u8() if flags & 2 else None
    series.append(Series(r))
    suffixes = b"" if flags & 2 else r.lv32()
    word_count = r.varint()
    need(word_count <= 512, "columns: words")
    series += [Series(r) for _ in range(word_count)]
    tails = b""
    if flags & 4:
        series.append(Series(r))
        packed, plain_size, tails = r.u8(), r.u32(), r.lv32()
        need(packed <= 1, "columns: tails")
        SEEN.add("tails %s" % ("packed" if packed else "plain"))
        tails = unpack_zstd(tails, plain_size) if packed else tails
        need(len(tails) == plain_size, "columns: tails")
    row_bits = sum(s.width for s in series)
    bits = int.from_bytes(r.take((count * row_bits + 7) // 8), "little")
    r.end()
    out, suffix_at, tail_at = [], 0, 0
    for row in range(count):
        at, words = row * row_bits, []
        for s in series:
            words.append(s.word(row, bits >> at & ((1 << s.width) - 1)))
            at += s.width
        if flags & 2:
            key = prefix + words[1].to_bytes(8, "big")[8 - suffix_size:]
        else:
            need(suffix_at <= words[1] <= len(suffixes), "columns: key ends")
            key, suffix_at = prefix + suffixes[suffix_at:words[1]], words[1]
        value = b"".join(w.to_bytes(8, "little") for w in words[2:2 + word_count])
        if flags & 4:
            need(tail_at <= words[-1] <= len(tails), "columns: tail ends")
            value, tail_at = value + tails[tail_at:words[-1]], words[-1]
        seq, is_put = words[0] >> 1, words[0] & 1
        need(key != b"" and seq <= seq_max, "columns: entry")
        SEEN.add("columns %s" % ("put" if is_put else "deletion"))
        out.append((key, seq, value if is_put else None))
    if flags & 1:
        need(len({key for key, _, _ in out}) == count, "columns: keys are not distinct")
    need(suffix_at == len(suffixes) and tail_at == len(tails), "columns: bytes left")
    return out


# ---- the filter ----

def filter_hash(seed, key):
    h = seed ^ (len(key) * 0x9e3779b97f4a7c15 & U64)
    whole = len(key) // 8 * 8
    for i in range(0, whole, 8):
        h = (h ^ int.from_bytes(key[i:i + 8], "little")) * 0xff51afd7ed558ccd & U64
        h ^= h >> 32
    for b in key[whole:]:
        h = (h ^ b) * 0x100000001b3 & U64
    h ^= h >> 33
    h = h * 0xc4ceb9fe1a85ec53 & U64
    return h ^ h >> 33


def filter_has(seed, probes, bits, key):
    h = filter_hash(seed, key)
    line = ((h >> 32) * (len(bits) // 64) >> 32) * 64
    low = h & 0xffffffff
    step = (low >> 17 | low << 15 | 1) & 0xffffffff
    for i in range(probes):
        bit = (low + i * step & 0xffffffff) >> 7 & 511
        if not bits[line + bit // 8] >> bit % 8 & 1:
            return False
    return True


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    key = pathlib.Path(sys.argv[2]).read_bytes()
    if len(key) != 32:
        key = bytes.fromhex(key.decode())
    try:
        for k, v in Volume(pathlib.Path(sys.argv[1]), key).pairs():
            print(k.hex() + "\t" + v.hex())
    except (Refused, InvalidTag, FileNotFoundError) as e:
        print("reader.py: %s %s" % (type(e).__name__, e), file=sys.stderr)
        return 1
    if len(sys.argv) == 4:
        pathlib.Path(sys.argv[3]).write_text("".join(line + "\n" for line in sorted(SEEN)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
