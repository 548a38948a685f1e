/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The local core: the panic region, the kernel's memory and the log in the disk corefile.
 * PROTOCOL.md#kdp-2.9, #kdp-7. Freestanding. */
#include "client/panic.h"

enum { XNU_LZ4_SINCE = 8792 }; /* @source PROTOCOL.md#kdp-7.3 */

/* How much of the corefile's place is used: corefile_size_mb can only make it smaller. */
static uint64_t place_bytes(const struct panic *p)
{
    uint64_t bytes = p->platform.disk->bytes, mb = p->args.corefile_mb;

    return mb > 0 && mb < bytes >> 20 ? mb << 20 : bytes;
}

static int write_region(struct panic *p)
{
    struct pnd_sink sink;
    int err;

    if (!p->event->panic_region || p->event->panic_region_len == 0)
        return PND_OK;
    err = pnd_corefile_begin(&p->corefile, "panic_region", PND_COREFILE_RAW);
    if (err)
        return err;
    pnd_corefile_sink(&p->corefile, &sink);
    err = sink.write(sink.ctx, p->event->panic_region, p->event->panic_region_len);
    return err ? err : sink.end(sink.ctx);
}

static const struct pnd_codec *choose_codec(struct panic *p, enum pnd_corefile_packing *ret)
{
    *ret = PND_COREFILE_RAW;
    if (pnd_panic_has(p, PND_DB_DISABLE_GZIP_CORE))
        return NULL;
    if (p->platform.lz4 && p->args.xnu >= XNU_LZ4_SINCE) {
        *ret = PND_COREFILE_LZ4;
        return p->platform.lz4;
    }
    if (p->platform.gzip) {
        *ret = PND_COREFILE_GZIP;
        return p->platform.gzip;
    }
    pnd_panic_say(p, "No compressor is there: the local core is written as it is.\n");
    return NULL;
}

static int write_kernel(struct panic *p)
{
    enum pnd_corefile_packing packing;
    const struct pnd_codec *codec = choose_codec(p, &packing);
    struct pnd_sink sink;
    int err = pnd_corefile_begin(&p->corefile, "kernel", packing);

    if (err)
        return err;
    pnd_corefile_sink(&p->corefile, &sink);
    err = pnd_panic_core(p, codec, &sink);
    return err ? err : sink.end(sink.ctx);
}

static int write_log(struct panic *p)
{
    const void *printed = NULL;
    size_t printed_len = 0;

    if (p->platform.printed)
        printed = p->platform.printed(p->platform.ctx, &printed_len);
    return pnd_corefile_log(&p->corefile, p->event->log, p->event->log ? p->event->log_len : 0,
                            printed, printed ? printed_len : 0);
}

static void failed(struct panic *p, const char *what, int err)
{
    pnd_panic_say(p, "Error: %s: %s.\n", what, pnd_err_text(err));
    if (err == PND_E_NOSPACE)
        pnd_panic_say(p,
                      "The corefile's place has %llu bytes: make it larger, or add "
                      "DB_DISABLE_LOCAL_CORE (0x20000) to debug= to dump to the network only.\n",
                      (unsigned long long)place_bytes(p));
    p->report.err = err;
}

enum pnd_done pnd_panic_local(struct panic *p)
{
    uint64_t log_len = p->event->log ? p->event->log_len : 0;
    struct pnd_disk disk = *p->platform.disk;
    uint32_t files = 0;
    int err, region_err, core_err;

    disk.bytes = place_bytes(p);
    if (log_len > disk.bytes / 2) /* the rest is for the memory, and the log is cut */
        log_len = disk.bytes / 2;
    p->start_us = pnd_panic_now_us(p);
    pnd_panic_say(p, "Writing local kernel core, please wait:\n");
    err = pnd_corefile_open(&p->corefile, &disk, log_len);
    if (err) {
        failed(p, "the local corefile cannot be begun", err);
        return PND_DONE_FAILED;
    }
    region_err = write_region(p);
    if (region_err)
        failed(p, "the panic region is not in the local corefile", region_err);
    core_err = write_kernel(p);
    if (core_err) {
        failed(p, "the kernel's memory is not in the local corefile", core_err);
    } else {
        uint64_t used = pnd_corefile_used(&p->corefile, &files);

        pnd_panic_say_core(p);
        pnd_panic_say_rate(p, "The local corefile has", used, pnd_panic_now_us(p) - p->start_us);
    }
    /* Last, so that the log says what became of the rest; and also when that has failed. */
    err = write_log(p);
    if (err)
        failed(p, "the panic log is not in the local corefile", err);
    return region_err || core_err || err ? PND_DONE_FAILED : PND_DONE_OK;
}
