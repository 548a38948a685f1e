# SPDX-License-Identifier: BSD-2-Clause
"""The journal's records, for tests that write what another version of the server left."""
import struct

HEADER, RECORD = 4096, 2048
WHERE, WHO = 128, 720           # bytes of a part's data, behind its head
HEAD = struct.Struct('<QQQQ')   # sequence number, checksum, generation, length
MASK = (1 << 64) - 1


def checksum(seq, generation, data):
    def mix(total, word):
        total = (total ^ word) * 0x9fb21c651e98df25 & MASK
        return total ^ total >> 32

    total = 0x70616e696364
    for word in (seq, generation, len(data)):
        total = mix(total, word)
    padded = data + bytes(-len(data) % 8)
    for word, in struct.iter_unpack('<Q', padded):
        total = mix(total, word)
    return total


def change_whos(path, change):
    """Every "who" that is valid becomes what `change` makes of its bytes. -> how many"""
    changed = 0
    with open(path, 'r+b') as f:
        content = bytearray(f.read())
        for record in range(HEADER, len(content), RECORD):
            for copy in range(2):
                at = record + 2 * (HEAD.size + WHERE) + copy * (HEAD.size + WHO)
                seq, total, generation, length = HEAD.unpack_from(content, at)
                data = bytes(content[at + HEAD.size:at + HEAD.size + length])
                if seq == 0 or length > WHO or total != checksum(seq, generation, data):
                    continue
                data = change(data)
                HEAD.pack_into(content, at, seq, checksum(seq, generation, data), generation,
                               len(data))
                content[at + HEAD.size:at + HEAD.size + len(data)] = data
                changed += 1
        f.seek(0)
        f.write(content)
    return changed
