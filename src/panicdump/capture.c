/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump capture: in a crash kernel, brings the memory of the kernel that crashed to safety. */
#include "capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/watchdog.h"
#include "host/guard.h"
#include "host/io.h"
#include "panicdump/panicdump.h"

static const char usage[] =
    "usage: panicdump capture [--cmdline TEXT]\n"
    "\n"
    "In a crash kernel: sends the memory of the kernel that crashed. Options are\n"
    "words of its command line and of " PND_CAPTURE_OPTIONS_PATH ", or of TEXT alone:\n"
    "\n"
    "  _panicd_ip=ADDRESS[:PORT][,...]    the servers, tried in this order\n"
    "  panicd_via=MAC[,...]               the next hop to each; - is not known\n"
    "  kdp_ip_addr=ADDRESS[/PREFIX]       the address to send from\n"
    "  _router_ip=ADDRESS                 for a server that answers no ARP\n"
    "  kdp_match_name=, kdp_match_mac=    the interface; else the first with a link\n"
    "  panicd_vlan=N, panicd_mtu=N        a tag on each frame; the largest packet\n"
    "  panicd_port=N                      of servers that name none (1069)\n"
    "  panicd_filter=0..31                pages to leave out, by makedumpfile -d (0)\n"
    "  panicd_compress=auto|gzip|lz4|none on the way (auto)\n"
    "  panicd_plain=1                     Apple's protocol only\n"
    "  panicd_local=PLACE                 when no server takes it: see panicdump(8)\n"
    "  panicd_retry=S                     no attempt begins later (600)\n"
    "  panicd_watchdog=S                  no sign of life: the end (120; 0 is never)\n"
    "  panicd_after=reboot|poweroff|halt|wait|shell\n"
    "  _panicd_corename=, panicd_vmcore=  the dump's name; what is sent\n";

struct words {
    char text[PND_CAPTURE_OPTIONS_CAP];
};

/* Adds the file at @p path to @p words: one long line. */
static int add_file(struct words *words, const char *path)
{
    size_t len = strlen(words->text);
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    if (len > 0 && len + 1 < sizeof(words->text))
        words->text[len++] = ' ';
    n = pnd_io_read_at(fd, 0, words->text + len, sizeof(words->text) - 1 - len);
    if (n < 0)
        return -1;
    words->text[len + (size_t)n] = '\0';
    for (char *at = words->text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    return 0;
}

/* --cmdline; or the command line of this kernel, and behind it the file of the initramfs. */
static int read_words(struct words *words, int argc, char **argv)
{
    static const struct option longs[] = {{"cmdline", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *given = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        if (option != 'c') {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? -1 : PND_EXIT_CANNOT;
        }
        given = optarg;
    }
    if (given) {
        snprintf(words->text, sizeof(words->text), "%s", given);
        return PND_EXIT_OK;
    }
    if (add_file(words, "/proc/cmdline") < 0)
        return pnd_complain(PND_EXIT_CANNOT, "read /proc/cmdline: %s", strerror(errno));
    if (add_file(words, PND_CAPTURE_OPTIONS_PATH) < 0 && errno != ENOENT)
        pnd_complain(0, "read " PND_CAPTURE_OPTIONS_PATH ": %s", strerror(errno));
    return PND_EXIT_OK;
}

int pnd_verb_capture(int argc, char **argv)
{
    static struct pnd_capture_options options;
    static struct words words;
    bool init = getpid() == 1;
    struct pnd_why why;
    int status;

    if (init)
        pnd_boot_init();
    else
        pnd_stop_init();
    status = read_words(&words, argc, argv);
    if (status && !init)
        return status < 0 ? PND_EXIT_OK : status;
    if (pnd_capture_options_parse(words.text, &options, &why)) {
        pnd_complain(0, "%s", why.text);
        if (!init) /* where somebody can put it right; else it is made of it what can be made */
            return PND_EXIT_CANNOT;
    }
    if (init) {
        pnd_watchdog_start(options.watchdog_s, options.after);
        pnd_boot_modules();
    }
    if (!status)
        status = init ? pnd_capture_guarded(&options, pnd_capture_run)
                      : pnd_capture_run(&options, PND_CAPTURE_BY_HAND);
    if (init)
        pnd_boot_end(options.after);
    return status;
}
