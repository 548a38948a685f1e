# SPDX-License-Identifier: BSD-2-Clause
"""Writes made-up struct pages into the core of a Linux 6.1 kernel: kinds of pages that a small
guest does not have, and combinations that no kernel makes."""

import random
import struct

LRU, SLAB, SWAPCACHE, PRIVATE, HEAD, SWAPBACKED = (1 << bit for bit in (4, 9, 10, 13, 16, 19))
BUDDY, OFFLINE, NONE = (value & 0xffffffff for value in (-129, -257, -1))
TAIL = 0x1001   # compound_head of something
HUGETLB = 2     # compound_dtor
OFFSETS = {"NUMBER(PG_lru)": 4, "NUMBER(PG_slab)": 9, "NUMBER(PG_swapcache)": 10,
           "NUMBER(PG_private)": 13, "NUMBER(PG_head_mask)": HEAD, "NUMBER(PG_swapbacked)": 19,
           "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)": -129, "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)": -257,
           "NUMBER(HUGETLB_PAGE_DTOR)": 2, "SIZE(page)": 64, "OFFSET(page.flags)": 0,
           "OFFSET(page.compound_head)": 8, "OFFSET(page.compound_dtor)": 16,
           "OFFSET(page.compound_order)": 17, "OFFSET(page.mapping)": 24,
           "OFFSET(page.private)": 40, "OFFSET(page._mapcount)": 48, "OFFSET(page._refcount)": 52}


def fits(core):
    """Has this kernel the struct page that is written here?"""
    return all(core.info.get(key) == str(value) for key, value in OFFSETS.items())


def page(flags=0, mapping=0, mapcount=NONE, private=0, head=0, dtor=0, order=0, refcount=1):
    return struct.pack("<QQBB6xQQQII8x", flags, head, dtor, order, mapping, 0, private,
                       mapcount, refcount)


def mapping(rng, flags):
    # What is a slab in the eyes of one and anonymous in those of the other is left alone.
    return rng.choice((0, 0x1000, 0x1002) if flags & SLAB else (0, 0x1000, 0x1001, 0x1003, 0x1002))


def single(rng):
    flags = sum(bit for bit in (LRU, SLAB, SWAPCACHE, PRIVATE, SWAPBACKED) if rng.random() < 0.3)
    mapcount = rng.choice((NONE, NONE, 0, BUDDY, OFFLINE, -513 & NONE, -2 & NONE))
    return page(flags, mapping(rng, flags), mapcount,
                rng.choice((0, 0, 1, 2, 3, 11, 64, 1 << 40)),
                TAIL if rng.random() < 0.1 else 0, refcount=rng.randrange(2))


def compound(rng, order, count):
    flags = HEAD | sum(bit for bit in (LRU, PRIVATE, SWAPBACKED, SLAB) if rng.random() < 0.4)
    pages = [page(flags, mapping(rng, flags), rng.choice((NONE, NONE, 0, OFFLINE)))]
    pages.append(page(head=TAIL, dtor=rng.choice((0, 1, HUGETLB, 3)), order=order, refcount=0))
    while len(pages) < count:
        pages.append(single(rng) if rng.random() < 0.1 else page(head=TAIL, refcount=0))
    return pages


def spoil(core, seed, share=0.5):
    """Changes about that @p share of all struct pages of @p core, which is open for writing."""
    rng, frame, changed = random.Random(seed), 0, 0
    frames = core.frames()
    places = {frame: place for frame in frames if (place := core.struct_page(frame))}
    while frame <= frames[-1]:
        order = rng.choice((0, 0, 0, 0, 1, 2, 3, 4, 6, 9))
        if rng.random() > share:
            frame += rng.choice((1, 1, 2, 4, 8))
            continue
        if order and frame % (1 << order) and rng.random() < 0.8:
            order = 0   # mostly where it may be
        if order == 0:
            pages = [single(rng)]
        elif rng.random() < 0.4:
            pages = [page(mapcount=BUDDY, private=order, refcount=0),
                     *(single(rng) for _ in range(rng.randrange(3)))]
        else:
            pages = compound(rng, rng.choice((order, order, order, 0, 1, 40, 64)), 1 << order)
        for i, made in enumerate(pages):
            if frame + i in places:
                at = places[frame + i]
                core.map[at:at + len(made)] = made
                changed += 1
        frame += len(pages)
    return changed
