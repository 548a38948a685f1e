/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For what sends by TFTP: what boot loaders, routers and small systems are told.
 * @source U-Boot's documentation of tftpput and of its environment; Cisco's troubleshooting guides,
 *         "Creating Core Dumps"; the manuals of curl(1), tftp(1) and busybox(1) */
#include <stdio.h>

#include "advice/setup.h"
#include "wire/tftp.h"

enum { ALIKE_BLOCK_BYTES = 1428 }; /* fits a frame, also in a tunnel or two */

static const char *wrong_want(const struct pnd_setup_want *want)
{
    if (!want->server)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    if (want->interface)
        return "--interface is for macos, freebsd and linux: what sends by TFTP finds its way";
    if (want->release)
        return "--release is for macos and freebsd: the steps are the same for whatever sends";
    if (want->on_nmi || want->paniclog_only || want->local || want->stay)
        return "--on-nmi, --paniclog-only, --local and --stay are for macos: what is sent, and "
               "when, is up to the sender";
    return NULL;
}

static void step_listen(struct pnd_setup *ret, unsigned port)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Here: take files by TFTP");

    if (port == PND_TFTP_PORT) {
        PND_SETUP_SAY(step->how, "As a service; the service manager opens the port, as panicd is "
                                 "not root. By hand it is, as root: panicd --tftp-port 69.");
        PND_SETUP_SAY(step->act, "sudo systemctl stop panicd\n"
                                 "sudo systemctl enable --now panicd-tftp.socket\n"
                                 "sudo systemctl start panicd");
        PND_SETUP_SAY(step->undo, "sudo systemctl disable --now panicd-tftp.socket");
    } else {
        PND_SETUP_SAY(step->how,
                      "Below [receive] in /etc/panicd/panicd.conf write \"tftp-port = %u\". By "
                      "hand it is: panicd --tftp-port %u.",
                      port, port);
        PND_SETUP_SAY(step->act, "sudo systemctl restart panicd");
        PND_SETUP_SAY(step->undo, "take the line away, and restart panicd.");
    }
    PND_SETUP_SAY(step->check, "\"panicctl status\" has a line \"where\" with port %u (tftp).",
                  port);
}

static void step_doctor(struct pnd_setup *ret, unsigned port)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Here: would a dump get in?");

    PND_SETUP_SAY(step->act, "sudo panicctl doctor --port %u", port);
    PND_SETUP_SAY(step->check, "no line says FAIL; what to type is below each that does.");
}

static void step_client(struct pnd_setup *ret, const struct pnd_setup_want *want, unsigned port)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "A system with a client: one of these sends the file \"dump\"");

    PND_SETUP_SAY(step->act,
                  "curl --tftp-blksize %d -T dump tftp://%s:%u/dump\n"
                  "busybox tftp -p -b %d -l dump -r dump %s %u\n"
                  "atftp --option \"blksize %d\" -p -l dump -r dump %s %u\n"
                  "tftp -m binary %s %u -c put dump",
                  ALIKE_BLOCK_BYTES, want->server, port, ALIKE_BLOCK_BYTES, want->server, port,
                  ALIKE_BLOCK_BYTES, want->server, port, want->server, port);
    PND_SETUP_SAY(step->check, "it ends without a message; here \"panicctl list\" shows the dump.");
    PND_SETUP_SAY(step->undo, "here: panicctl rm, with the dump's number of \"panicctl list\".");
    PND_SETUP_SAY(step->why, "larger blocks are fewer answers to wait for; the last of these has "
                             "none but those of 512 bytes. A name with a slash is replaced, and "
                             "kept beside the dump.");
}

static void step_uboot(struct pnd_setup *ret, const struct pnd_setup_want *want, unsigned port)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "U-Boot: the memory of a board that was reset");
    char gateway[64] = "", other[64] = "";

    if (want->gateway)
        snprintf(gateway, sizeof(gateway), "setenv gatewayip %s\n", want->gateway);
    if (port != PND_TFTP_PORT)
        snprintf(other, sizeof(other), "setenv tftpdstp %u\n", port);
    PND_SETUP_SAY(step->how, "At its prompt. \"bdinfo\" says where memory is; the numbers of "
                             "tftpput are an address and a size, both hexadecimal.");
    PND_SETUP_SAY(step->act,
                  "setenv ipaddr %s\n%s%ssetenv serverip %s\n"
                  "tftpput ${loadaddr} 10000000 board.bin",
                  want->client ? want->client : "10.0.40.7", gateway, other, want->server);
    PND_SETUP_SAY(step->check, "it ends with \"Bytes transferred\"; here \"panicctl list\" shows "
                               "as many.");
    PND_SETUP_SAY(step->undo, "nothing: what setenv says is gone with the next reset.");
    PND_SETUP_SAY(step->why,
                  "ipaddr is the board's own address. An unknown command: it was built without "
                  "CONFIG_CMD_TFTPPUT.%s Whether memory outlives a reset is the board's affair; "
                  "what the boot loader itself uses does not.",
                  port == PND_TFTP_PORT ? "" : " Another port needs CONFIG_TFTP_PORT.");
}

static void step_router(struct pnd_setup *ret, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "A router or switch with commands as Cisco's");

    PND_SETUP_SAY(step->act,
                  "configure terminal\nexception protocol tftp\nexception dump %s\n"
                  "exception core-file router-7-core\nend",
                  want->server);
    PND_SETUP_SAY(step->check,
                  "\"write core\" sends one without a crash; here \"panicctl list\" shows it. Then "
                  "save the configuration.");
    PND_SETUP_SAY(step->undo, "configure terminal; no exception dump %s; end", want->server);
    PND_SETUP_SAY(step->why,
                  "without the third line the file is called HOSTNAME-core. It need not be there "
                  "before, and the next one gets a number. Many systems of Cisco send no more than "
                  "the first 16 MB by TFTP; the dump is then as long as that. Others take other "
                  "words: look for \"exception\" or \"core\" in the manual.");
}

const char *pnd_setup_tftp(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    unsigned port = want->port ? (unsigned)want->port : PND_TFTP_PORT;
    const char *wrong = wrong_want(want);

    if (wrong)
        return wrong;
    pnd_setup_about(ret, "Whatever writes files by TFTP, to %s, UDP port %u.%s", want->server, port,
                    port == PND_TFTP_PORT ? ""
                                          : " Network gear often cannot be told another port than "
                                            "69.");
    pnd_setup_about(ret, "TFTP does not know who sends, and has no sum: name the senders in "
                         "\"allow\" of panicd.conf, and use something else where there is a "
                         "choice: panicdump on Linux, netdump on FreeBSD.");
    step_listen(ret, port);
    step_doctor(ret, port);
    step_client(ret, want, port);
    step_uboot(ret, want, port);
    if (port == PND_TFTP_PORT)
        step_router(ret, want);
    return NULL;
}
