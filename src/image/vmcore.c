/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linux crash dumps: headers, VMCOREINFO, addresses. See vmcore.h; the log is in vmcore_log.c. */
#include "image/vmcore.h"

#include "wire/cursor.h"

enum {
    EHDR_BYTES = 64,
    PHDR_BYTES = 56,
    NHDR_BYTES = 12,
    ET_CORE = 4,
    NOTES_MAX = 16384, /* one or two for each CPU */
};

static const char vmcoreinfo[] = "VMCOREINFO";

static int read_at(const struct pnd_vmcore *vm, uint64_t offset, void *buf, size_t len)
{
    return vm->source.read(vm->source.ctx, offset, buf, len);
}

static int read_ehdr(struct pnd_vmcore *vm)
{
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 2, 1};
    uint8_t buf[EHDR_BYTES];
    struct pnd_rd rd;
    int err = read_at(vm, 0, buf, sizeof(buf));

    if (err)
        return err;
    rd = pnd_rd(buf, sizeof(buf));
    if (memcmp(pnd_rd_bytes(&rd, 16), magic, sizeof(magic)) != 0 || pnd_rd_le16(&rd) != ET_CORE)
        return PND_E_TYPE;
    pnd_rd_bytes(&rd, 2 + 4 + 8); /* machine, version, entry */
    vm->phdr_offset = pnd_rd_le64(&rd);
    pnd_rd_bytes(&rd, 8 + 4 + 2); /* section headers, flags, header size */
    if (pnd_rd_le16(&rd) != PHDR_BYTES)
        return PND_E_FORMAT;
    vm->phdr_count = pnd_rd_le16(&rd);
    if (vm->phdr_offset > UINT64_MAX - (uint64_t)UINT16_MAX * PHDR_BYTES)
        return PND_E_FORMAT;
    return PND_OK;
}

int pnd_vmcore_segment(const struct pnd_vmcore *vmcore, uint32_t index,
                       struct pnd_vmcore_segment *ret)
{
    struct pnd_vmcore_segment segment;
    uint8_t buf[PHDR_BYTES];
    struct pnd_rd rd;
    int err;

    if (index >= vmcore->phdr_count)
        return PND_E_NOTFOUND;
    err = read_at(vmcore, vmcore->phdr_offset + (uint64_t)index * PHDR_BYTES, buf, sizeof(buf));
    if (err)
        return err;
    rd = pnd_rd(buf, sizeof(buf));
    segment.type = pnd_rd_le32(&rd);
    segment.flags = pnd_rd_le32(&rd);
    segment.offset = pnd_rd_le64(&rd);
    segment.vaddr = pnd_rd_le64(&rd);
    segment.paddr = pnd_rd_le64(&rd);
    segment.bytes = pnd_rd_le64(&rd);
    segment.memory_bytes = pnd_rd_le64(&rd);
    if (segment.offset > UINT64_MAX - segment.bytes)
        return PND_E_FORMAT;
    *ret = segment;
    return PND_OK;
}

static uint64_t round4(uint32_t n)
{
    return ((uint64_t)n + 3) & ~UINT64_C(3);
}

/* The VMCOREINFO note of one PT_NOTE segment. @return PND_OK; PND_E_NOTFOUND; as the source */
static int read_notes(struct pnd_vmcore *vm, const struct pnd_vmcore_segment *notes)
{
    uint64_t at = notes->offset, end = notes->offset + notes->bytes;

    for (unsigned i = 0; i < NOTES_MAX && end - at >= NHDR_BYTES; i++) {
        uint8_t buf[NHDR_BYTES + sizeof(vmcoreinfo)];
        struct pnd_rd rd = pnd_rd(buf, sizeof(buf));
        size_t want = end - at < sizeof(buf) ? (size_t)(end - at) : sizeof(buf);
        uint32_t name_len, desc_len;
        uint64_t desc_at;
        int err;

        memset(buf, 0, sizeof(buf));
        err = read_at(vm, at, buf, want);
        if (err)
            return err;
        name_len = pnd_rd_le32(&rd);
        desc_len = pnd_rd_le32(&rd);
        desc_at = at + NHDR_BYTES + round4(name_len);
        if (desc_at > end || desc_len > end - desc_at)
            return PND_E_FORMAT;
        if (name_len == sizeof(vmcoreinfo) &&
            memcmp(buf + NHDR_BYTES, vmcoreinfo, sizeof(vmcoreinfo)) == 0) {
            vm->info_len = desc_len < sizeof(vm->info) ? desc_len : sizeof(vm->info);
            return read_at(vm, desc_at, vm->info, vm->info_len);
        }
        at = desc_at + round4(desc_len) < end ? desc_at + round4(desc_len) : end;
    }
    return PND_E_NOTFOUND;
}

bool pnd_vmcore_info(const struct pnd_vmcore *vmcore, const char *key, const char **ret,
                     size_t *ret_len)
{
    const char *at = vmcore->info, *end = vmcore->info + vmcore->info_len;
    size_t key_len = 0;

    while (key[key_len])
        key_len++;
    while (at < end) {
        size_t len = 0, left = (size_t)(end - at);

        while (len < left && at[len] != '\n')
            len++;
        if (len > key_len && at[key_len] == '=' && memcmp(at, key, key_len) == 0) {
            *ret = at + key_len + 1;
            *ret_len = len - key_len - 1;
            return true;
        }
        at += len < left ? len + 1 : len;
    }
    return false;
}

bool pnd_vmcore_info_number(const struct pnd_vmcore *vmcore, const char *key, unsigned base,
                            uint64_t *ret)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t value = 0;
    bool negative;

    if (!pnd_vmcore_info(vmcore, key, &text, &len) || len == 0)
        return false;
    negative = base == 10 && text[0] == '-';
    text += negative;
    len -= negative;
    if (len == 0 || len > (base == 10 ? 19 : 16))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : base;

        if (digit >= base)
            return false;
        value = value * base + digit;
    }
    *ret = negative ? 0 - value : value;
    return true;
}

/* What is needed again and again. */
static void read_info(struct pnd_vmcore *vmcore)
{
    const char *release = NULL;
    size_t len = 0;

    if (pnd_vmcore_info(vmcore, "OSRELEASE", &release, &len)) {
        len = len < sizeof(vmcore->release) - 1 ? len : sizeof(vmcore->release) - 1;
        memcpy(vmcore->release, release, len);
    }
    pnd_vmcore_info_number(vmcore, "CRASHTIME", 10, &vmcore->crash_time_s);
}

int pnd_vmcore_open(struct pnd_vmcore *vmcore, const struct pnd_vmcore_source *source)
{
    int err, found = PND_E_NOTFOUND;

    memset(vmcore, 0, sizeof(*vmcore));
    vmcore->source = *source;
    err = read_ehdr(vmcore);
    for (uint32_t i = 0; !err && found == PND_E_NOTFOUND && i < vmcore->phdr_count; i++) {
        struct pnd_vmcore_segment segment = {0};

        err = pnd_vmcore_segment(vmcore, i, &segment);
        if (!err && segment.type == PND_VMCORE_NOTE)
            found = read_notes(vmcore, &segment);
    }
    if (err || found)
        return err ? err : found;
    read_info(vmcore);
    return PND_OK;
}

void pnd_vmcore_attach(struct pnd_vmcore *vmcore, const void *info, size_t info_len, bool is32,
                       bool big, const struct pnd_vmcore_source *memory)
{
    memset(vmcore, 0, sizeof(*vmcore));
    vmcore->memory = *memory;
    vmcore->is32 = is32;
    vmcore->big = big;
    vmcore->info_len = info_len < sizeof(vmcore->info) ? info_len : sizeof(vmcore->info);
    memcpy(vmcore->info, info, vmcore->info_len);
    read_info(vmcore);
}

static bool covers(const struct pnd_vmcore_segment *load, uint64_t vaddr, size_t len)
{
    return vaddr >= load->vaddr && vaddr - load->vaddr < load->bytes &&
           len <= load->bytes - (vaddr - load->vaddr);
}

int pnd_vmcore_read(struct pnd_vmcore *vmcore, uint64_t vaddr, void *buf, size_t len)
{
    if (vmcore->memory.read)
        return vmcore->memory.read(vmcore->memory.ctx, vaddr, buf, len);
    for (uint32_t i = 0; !covers(&vmcore->last, vaddr, len); i++) {
        struct pnd_vmcore_segment segment = {0};
        int err = pnd_vmcore_segment(vmcore, i, &segment);

        if (err)
            return err;
        if (segment.type == PND_VMCORE_LOAD)
            vmcore->last = segment;
    }
    return read_at(vmcore, vmcore->last.offset + (vaddr - vmcore->last.vaddr), buf, len);
}
