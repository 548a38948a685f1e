/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The order of attempts: see deliver.h. */
#include "capture/deliver.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "capture/complain.h"
#include "host/clock.h"
#include "host/progress.h"
#include "host/text.h"
#include "sender/stop.h"
#include "wire/kdp.h"

enum { PROGRESS_COLUMNS = 80 };

/* One dump to one target: content -> meter -> codec -> pulse -> target. */
struct attempt {
    struct pnd_delivery *d;
    struct pnd_codec *codec;
    struct pnd_sink target, pulse;
    struct pnd_progress progress;
    uint64_t start_ms, line_ms;
    uint64_t bytes; /* of the content so far */
    uint64_t taken; /* by the target so far, packed */
    int sink_err;   /* why no more of the content is wanted */
};

/* How long it goes on. */
struct patience {
    uint64_t start_ms, end_ms; /* no round begins after it */
    uint64_t furthest;         /* that an attempt came, bytes of the content */
    unsigned renewed;
    uint32_t pause_s; /* before the next round */
};

static uint64_t now_ms(const struct pnd_delivery *d)
{
    return d->now_ms ? d->now_ms(d->ctx) : pnd_clock_ms();
}

static void alive(const struct pnd_delivery *d)
{
    if (d->alive)
        d->alive(d->ctx);
}

__attribute__((format(printf, 3, 4))) static void say(const struct pnd_delivery *d, bool wrong,
                                                      const char *fmt, ...)
{
    char line[PND_DELIVER_SAY_CAP];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (d->say)
        d->say(d->ctx, wrong, line);
    else if (wrong)
        pnd_complain(0, "%s", line);
    else
        printf("panicdump: %s\n", line);
}

/* A bar on a terminal, which a crash kernel's console is not: there, lines. */
static void show_progress(struct attempt *a)
{
    char line[PND_PROGRESS_LINE_CAP];
    uint64_t now;

    if (a->progress.terminal && !a->d->say) {
        pnd_progress_update(&a->progress, a->bytes);
        return;
    }
    now = now_ms(a->d);
    if (now - a->line_ms < PND_DELIVER_LINE_MS)
        return;
    a->line_ms = now;
    say(a->d, false, "%s",
        pnd_progress_format(line, PROGRESS_COLUMNS, &a->progress, a->bytes, now - a->start_ms));
}

static int pulse_write(void *ctx, const void *buf, size_t len)
{
    struct attempt *a = ctx;
    int err = a->target.write(a->target.ctx, buf, len);

    if (err)
        return err;
    a->taken += len;
    alive(a->d);
    show_progress(a);
    return PND_OK;
}

static int meter_write(void *ctx, const void *buf, size_t len)
{
    struct attempt *a = ctx;
    struct pnd_codec *codec = a->codec;
    int err = codec ? codec->write(codec->ctx, buf, len) : a->pulse.write(a->pulse.ctx, buf, len);

    if (!err)
        a->bytes += len;
    a->sink_err = err;
    return err;
}

/* What the target did not say is the content's own failure, of whatever kind: another target would
 * meet it as well. */
static int write_content(struct attempt *a, const struct pnd_sink *meter)
{
    int err = a->d->content.write(a->d->content.ctx, meter);

    return err && !a->sink_err && err != PND_E_ABORTED ? PND_E_SOURCE : err;
}

static int stream(struct attempt *a)
{
    struct pnd_sink meter = {.ctx = a, .write = meter_write};
    struct pnd_codec *codec = a->codec;
    int err = PND_OK;

    a->pulse = (struct pnd_sink){.ctx = a, .write = pulse_write};
    if (codec)
        err = codec->begin(codec->ctx, &a->pulse);
    if (!err)
        err = write_content(a, &meter);
    if (!err && codec)
        err = codec->finish(codec->ctx);
    if (!err)
        err = a->target.end(a->target.ctx);
    return err;
}

static void say_done(const struct attempt *a, const char *name, const char *label,
                     const char *detail)
{
    char rate[PND_TEXT_BYTES_CAP], taken[64] = "";
    uint64_t ms = now_ms(a->d) - a->start_ms;

    pnd_text_bytes(rate, sizeof(rate), ms ? (uint64_t)((double)a->bytes * 1000 / (double)ms) : 0);
    if (a->codec)
        snprintf(taken, sizeof(taken), " as %" PRIu64, a->taken);
    say(a->d, false, "sent %s to %s: %" PRIu64 " bytes%s in %.2f s, %s/s%s%s", name, label,
        a->bytes, taken, (double)ms / 1000, rate, detail[0] ? ", " : "", detail);
}

/* @param ret_bytes  is raised to what was taken of the content */
static int try_once(struct pnd_delivery *d, const struct pnd_target *target,
                    struct pnd_target_dump *dump, uint64_t *ret_bytes)
{
    struct attempt a = {.d = d, .start_ms = now_ms(d)};
    struct pnd_why why = {.text = ""};
    const char *name = dump->name;
    int err;

    say(d, false, "sending %s to %s", name, target->label);
    err = target->open(target->ctx, dump, &a.target, &why);
    alive(d);
    if (!err) {
        why.text[0] = '\0';
        a.codec = dump->extended ? d->extended_codec : d->codec;
        name = dump->extended ? dump->extended_name : name;
        a.start_ms = a.line_ms = now_ms(d);
        pnd_progress_init(&a.progress, "dump", d->content.bytes, false);
        err = stream(&a);
        pnd_progress_clear(&a.progress);
    }
    err = target->close(target->ctx, err, &why);
    if (a.bytes > *ret_bytes)
        *ret_bytes = a.bytes;
    if (err)
        say(d, true, "%s: %s", target->label, why.text[0] ? why.text : pnd_err_text(err));
    else
        say_done(&a, name, target->label, why.text);
    return err;
}

/* A server that holds something else of this dump's id, by an attempt that this program does not
 * know of, is sent all of it. */
static int try_target(struct pnd_delivery *d, const struct pnd_target *target, const char *name,
                      const char *extended_name, uint64_t *ret_bytes)
{
    struct pnd_target_dump dump = {.name = name, .extended_name = extended_name};
    int err;

    memcpy(dump.id, d->id, sizeof(dump.id));
    err = try_once(d, target, &dump, ret_bytes);
    if (err != PND_E_FORMAT || !dump.extended)
        return err;
    dump.anew = true;
    return try_once(d, target, &dump, ret_bytes);
}

static void sleep_s(const struct pnd_delivery *d, uint32_t s)
{
    struct timespec pause = {.tv_sec = (time_t)s};

    if (d->sleep_s)
        d->sleep_s(d->ctx, s);
    else
        nanosleep(&pause, NULL);
}

/* Second by second, so that somebody sees that this program lives. */
static int wait_s(const struct pnd_delivery *d, uint32_t s)
{
    for (; s > 0; s--) {
        sleep_s(d, 1);
        alive(d);
        if (pnd_stop_signal())
            return PND_E_ABORTED;
    }
    return PND_OK;
}

static bool is_final(int err)
{
    return err == PND_OK || err == PND_E_ABORTED || err == PND_E_SOURCE;
}

static int try_all(struct pnd_delivery *d, const char *name, const char *extended_name,
                   uint64_t *ret_bytes)
{
    int err = PND_E_ARG;

    for (size_t i = 0; i < d->target_count; i++) {
        err = try_target(d, &d->targets[i], name, extended_name, ret_bytes);
        if (is_final(err))
            break;
    }
    return err;
}

static void renew(struct patience *p, uint32_t retry_s, uint64_t now)
{
    p->end_ms = now + (uint64_t)retry_s * 1000;
    p->pause_s = PND_DELIVER_PAUSE_S;
}

/* A server that dies after two hours of a dump is asked again, as one that was not there at first
 * is; one that always dies at the same place is not asked for ever. */
static void count_progress(struct patience *p, uint32_t retry_s, uint64_t bytes, uint64_t now)
{
    if (bytes <= p->furthest || p->renewed == PND_DELIVER_RENEWED_MAX)
        return;
    p->furthest = bytes;
    p->renewed++;
    renew(p, retry_s, now);
}

/* @return PND_OK; PND_E_ABORTED; PND_E_TIMEOUT there is no time for another round */
static int wait_for_round(const struct pnd_delivery *d, struct patience *p, const char *name,
                          uint64_t now)
{
    uint64_t left_s = now < p->end_ms ? (p->end_ms - now) / 1000 : 0;
    uint32_t pause_s = p->pause_s < left_s ? p->pause_s : (uint32_t)left_s;

    if (left_s == 0) {
        say(d, true, "%s is given up after %" PRIu64 " s", name, (now - p->start_ms) / 1000);
        return PND_E_TIMEOUT;
    }
    say(d, true, "everything again in %u s, for %" PRIu64 " s more", pause_s, left_s);
    p->pause_s = pause_s < PND_DELIVER_PAUSE_MAX_S / 2 ? pause_s * 2 : PND_DELIVER_PAUSE_MAX_S;
    return wait_s(d, pause_s);
}

static void make_name(const struct pnd_delivery *d, const char *suffix, char ret[PND_KDP_NAME_CAP])
{
    if (!suffix || d->name_is_whole)
        suffix = "";
    snprintf(ret, PND_KDP_NAME_CAP, "%.*s%s", (int)(PND_KDP_NAME_CAP - 1 - strlen(suffix)), d->name,
             suffix);
}

int pnd_deliver(struct pnd_delivery *delivery)
{
    struct pnd_delivery *d = delivery;
    struct patience patience = {.start_ms = now_ms(d)};
    char name[PND_KDP_NAME_CAP], extended_name[PND_KDP_NAME_CAP];

    make_name(d, d->suffix, name);
    make_name(d, d->extended_suffix, extended_name);
    renew(&patience, d->retry_s, patience.start_ms);
    for (;;) {
        uint64_t bytes = 0, now;
        int err = try_all(d, name, extended_name, &bytes), waited;

        if (is_final(err))
            return err;
        now = now_ms(d);
        count_progress(&patience, d->retry_s, bytes, now);
        waited = wait_for_round(d, &patience, name, now);
        if (waited)
            return waited == PND_E_ABORTED ? waited : err;
    }
}
