/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: who listens for streams, and with which certificates. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/guard.h"
#include "panicctl/doctor.h"
#include "panicctl/listener.h"
#include "panicctl/print.h"

#define UNIT "panicd-stream.service"

enum { DAYS_LEFT_MIN = 30, CERTIFICATES_MAX = 64, DAY_S = 86400 };

/* ---- a file of certificates ---- */

struct validity {
    int days_left;     /* of the one that counts */
    bool begun, ended; /* with regard to now */
    unsigned count;    /* certificates in the file, at most CERTIFICATES_MAX */
    char until[32];
};

static bool take_certificate(const X509 *certificate, struct validity *ret)
{
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    int seconds = 0, days = 0;
    struct tm tm;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, end) || !ASN1_TIME_to_tm(end, &tm))
        return false;
    ret->days_left = days;
    ret->ended = days < 0 || seconds < 0;
    ret->begun = X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0;
    strftime(ret->until, sizeof(ret->until), "%Y-%m-%d", &tm);
    return true;
}

/* Of the server's file the first one counts; of the authorities' the one that lasts longest: with
 * it there are still senders that are let in.
 *   @return PND_OK; PND_E_SYS errno says why it cannot be read; PND_E_FORMAT no certificate */
static int read_validity(const char *path, bool first, struct validity *ret)
{
    PND_AUTO_FCLOSE FILE *file = fopen(path, "re");
    struct validity best = {0};

    if (!file)
        return PND_E_SYS;
    while (best.count < CERTIFICATES_MAX && !(first && best.count)) {
        X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
        struct validity at = {.count = best.count + 1};
        bool taken = certificate && take_certificate(certificate, &at);

        X509_free(certificate);
        if (!taken)
            break;
        if (best.count == 0 || at.days_left > best.days_left)
            best = at;
        best.count = at.count;
    }
    *ret = best;
    return best.count ? PND_OK : PND_E_FORMAT;
}

static void unreadable(struct pnd_doctor *doctor, const char *name, int error)
{
    if (error == EACCES && geteuid() != 0)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_WARN, "sudo panicctl doctor",
                       "%.300s may not be read by this user", name);
    else
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL,
                       "put it there; each connection reads it anew", "%.300s: %s", name,
                       strerror(error));
}

/* @return nothing is wrong with it */
static bool check_certificate(struct pnd_doctor *doctor, const char *path, bool first)
{
    char name[PND_PRINT_NAME_CAP];
    struct validity validity;
    int err = read_validity(path, first, &validity);

    pnd_print_line(name, sizeof(name), path);
    if (err == PND_E_SYS)
        unreadable(doctor, name, errno);
    else if (err)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL, "replace it",
                       "%.300s has no certificate in it", name);
    else if (validity.ended)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL, "replace it; nothing need be restarted",
                       "%.300s has expired on %s", name, validity.until);
    else if (!validity.begun)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL, "date; timedatectl",
                       "%.300s is not valid yet", name);
    else if (validity.days_left < DAYS_LEFT_MIN)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_WARN, "replace it; nothing need be restarted",
                       "%.300s expires on %s", name, validity.until);
    else
        return true;
    return false;
}

/* The key is not read: whether the listener may do so is asked. */
static bool check_key(struct pnd_doctor *doctor, const struct pnd_listener *listener)
{
    char name[PND_PRINT_NAME_CAP], fix[PND_DOCTOR_TEXT_CAP], word[PND_DOCTOR_OPERAND_CAP], proc[32];
    struct stat st, process;
    bool known;

    pnd_print_line(name, sizeof(name), listener->key);
    pnd_doctor_operand(listener->key, word);
    snprintf(proc, sizeof(proc), "/proc/%ld", (long)listener->pid);
    known = stat(proc, &process) == 0 && process.st_uid != 0;
    if (stat(listener->key, &st) != 0) {
        unreadable(doctor, name, errno);
        return false;
    }
    if (known && !(st.st_mode & (st.st_uid == process.st_uid ? S_IRUSR : S_IRGRP | S_IROTH))) {
        snprintf(fix, sizeof(fix), "chown %u %s", (unsigned)process.st_uid, word);
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL, fix,
                       "%.300s may not be read by the listener, process %ld", name,
                       (long)listener->pid);
        return false;
    }
    if (st.st_mode & S_IROTH) {
        snprintf(fix, sizeof(fix), "chmod o-rwx %s", word);
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_WARN, fix, "%.300s may be read by anybody",
                       name);
        return false;
    }
    return true;
}

static void check_listener(struct pnd_doctor *doctor, const struct pnd_listener *listener)
{
    char address[PND_PRINT_NAME_CAP], fix[PND_DOCTOR_TEXT_CAP], word[PND_DOCTOR_OPERAND_CAP];
    bool good = true;

    pnd_print_name(address, listener->address);
    if (!listener->alive) {
        snprintf(fix, sizeof(fix),
                 "systemctl restart panicd-stream, or however it is started; if that is not "
                 "meant any more: rm %s/.panicd/%s",
                 pnd_doctor_operand(doctor->ctl->spool.path, word), listener->file);
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL, fix,
                       "who listened on TCP %.80s was killed, process %ld", address,
                       (long)listener->pid);
        return;
    }
    if (listener->tls) {
        good = check_certificate(doctor, listener->certificate, true);
        good = check_certificate(doctor, listener->clients, false) && good;
        good = check_key(doctor, listener) && good;
    }
    if (good)
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_OK, "",
                       "TCP %.80s %s (process %ld), %u at a time", address,
                       listener->tls ? "with TLS" : "without TLS", (long)listener->pid,
                       listener->senders);
}

/* ---- the unit ---- */

static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    return at && (at == text || at[-1] == '\n') &&
           (at[strlen(line)] == '\n' || at[strlen(line)] == '\0');
}

/* Should one listen, as far as systemd knows? A unit for another directory is not looked at. */
static void check_unit(struct pnd_doctor *doctor)
{
    char words[][16] = {"systemctl", "show", "--no-pager"};
    char properties[] = "--property=ActiveState,UnitFileState,ExecStart", unit[] = UNIT;
    char *argv[] = {words[0], words[1], words[2], properties, unit, NULL};
    char option[sizeof(doctor->ctl->spool.path) + 32];
    char *text = NULL;

    snprintf(option, sizeof(option), " --directory %s ", doctor->ctl->spool.path);
    if (pnd_doctor_run(argv, &text) == 0 && strstr(text, option) &&
        has_line(text, "UnitFileState=enabled") && !has_line(text, "ActiveState=active"))
        pnd_doctor_add(doctor, "stream", PND_DOCTOR_FAIL,
                       "systemctl status panicd-stream says why; systemctl start panicd-stream",
                       UNIT " is enabled, and does not run: nobody takes dumps by TCP");
    free(text);
}

void pnd_doctor_stream(struct pnd_doctor *doctor)
{
    struct pnd_listener *listeners;
    unsigned count;

    if (!doctor->spool_open)
        return;
    listeners = calloc(PND_LISTENERS_MAX, sizeof(*listeners));
    count = listeners ? pnd_listener_read(&doctor->ctl->spool, listeners) : 0;
    for (unsigned i = 0; i < count; i++)
        check_listener(doctor, &listeners[i]);
    if (count == 0)
        check_unit(doctor);
    free(listeners);
}
