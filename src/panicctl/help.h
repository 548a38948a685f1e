/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What "panicctl VERB --help" says below the usage line. The manual says more. */
#ifndef PND_PANICCTL_HELP_H
#define PND_PANICCTL_HELP_H

#define PND_HELP_ID                                                                                \
    "ID is a number of \"panicctl list\", a file name, a sender's name or \"latest\".\n"

#define PND_HELP_STATUS                                                                            \
    "Says whether a server is listening for this directory, where, how much room\n"                \
    "there is, what is arriving, and the last dumps.\n\n"                                          \
    "  --json   one object: listening, directory, room, server, transfers, dumps\n\n"              \
    "Exit status: 0 a server is listening; 1 none is; 2 could not tell.\n"

#define PND_HELP_LIST                                                                              \
    "Lists the dumps in the directory, and those that are arriving. Works without a\n"             \
    "server, too. A wide terminal also shows why each machine died, by group.\n\n"                 \
    "  --group GROUP   only those of this group (see \"panicctl groups\")\n"                       \
    "  --json          {\"dumps\": [...]}, oldest first\n\n"                                       \
    "Exit status: 0 also when there are none; 2 the directory cannot be read.\n"

#define PND_HELP_INFO                                                                              \
    "Says what happened: why the machine panicked, which machine and kernel, when,\n"              \
    "where in the code, whether it happened before, whether the file is whole, and\n"              \
    "how to open it. Of a dump that arrives: what is known by now. One that has just\n"            \
    "ended is waited for, at most 5 seconds, until it has been checked. A FILE that\n"             \
    "is no dump of the directory is read from start to end.\n" PND_HELP_ID "\n"                    \
    "  -a, --all   all frames, modules, registers, boot-args, and the whole text\n"                \
    "  --json      one object, the same fields as \"list --json\", facts, group ...\n\n"           \
    "Exit status: 0; 2 there is no such dump.\n"

#define PND_HELP_LOG                                                                               \
    "Writes the panic log, or all that the kernel had said before it died. Text that\n"            \
    "could steer a terminal is escaped.\n" PND_HELP_ID "\n"                                        \
    "  --symbols PATH   names in the backtrace: from a kernel or dSYM, a vmlinux, or\n"            \
    "                   a directory that has them, by UUID or build-id\n"                          \
    "  --force          use symbols of another build all the same\n"                               \
    "  --raw            without escapes, for a file or a pipe\n"                                   \
    "  --json           one object: id, log, cut, symbols\n\n"                                     \
    "Exit status: 0; 1 there is no log, or no symbols that fit; 2 could not.\n"

#define PND_HELP_MAP                                                                               \
    "Draws the memory of a dump: what is there, what is zero, what was left out on\n"              \
    "purpose, what could not be read, what is missing. Addresses without memory are\n"             \
    "left out.\n" PND_HELP_ID "\n"                                                                 \
    "  --png FILE    write a picture instead, 768 pixels wide\n"                                   \
    "  -f, --force   replace FILE if it is there\n"                                                \
    "  --json        one object: id, space, sums, ranges\n\n"                                      \
    "Exit status: 0; 1 no memory is described; 2 could not.\n"

#define PND_HELP_DEBUG                                                                             \
    "Starts lldb, crash, drgn, gdb or kgdb: the first that opens such a dump and is\n"             \
    "installed. A packed dump is unpacked into $TMPDIR (default /var/tmp) before,\n"               \
    "and removed after. Symbols are looked for by build-id or UUID in the\n"                       \
    "directories of $PANICD_SYMBOLS, in DIR/.panicd/symbols, /usr/lib/debug, /boot\n"              \
    "and Apple's KDKs. If something is missing, says what to install.\n" PND_HELP_ID "\n"          \
    "  --symbols PATH    the kernel with symbols, or a directory to search\n"                      \
    "  --debugger NAME   this one\n"                                                               \
    "  --print           only say what would be typed\n"                                           \
    "  --keep            keep what was unpacked, and say where\n"                                  \
    "  --json            one object: debugger, symbols, commands, packages ...\n"                  \
    "  -- ARG...         for the debugger\n\n"                                                     \
    "Exit status: 0; 1 no debugger, or no symbols for it; 2 could not, or it failed.\n"

#define PND_HELP_WATCH                                                                             \
    "Shows dumps as they arrive: progress bars on a terminal, else a line per event.\n"            \
    "Ends with Ctrl-C, or as said by:\n\n"                                                         \
    "  -n, --count N   end after N dumps have ended, whole or not\n"                               \
    "  --until-idle    end as soon as nothing is arriving\n"                                       \
    "  --json          the server's events, one object per line\n\n"                               \
    "Exit status: 0; 2 no server is running, or it stopped.\n"

#define PND_HELP_VERIFY                                                                            \
    "Reads a dump from start to end and says whether it is whole: what gzip, zstd or\n"            \
    "LZ4 has checked, the segments that a core announces, the parity of a FreeBSD\n"               \
    "header, and for a dump of the list the SHA-256 that it had when it came.\n" PND_HELP_ID       \
    "A FILE has a slash in its name, or is no ID.\n\n"                                             \
    "  --json   one object: verdict, reason, missing, offset, format, sha256 ...\n\n"              \
    "Exit status: 0 complete; 1 incomplete or corrupt; 2 could not check.\n"

#define PND_HELP_EXPORT                                                                            \
    "Copies a dump out of the directory, byte for byte as it was sent; holes "                     \
    "stay\nholes.\n" PND_HELP_ID "\n"                                                              \
    "  -o, --output FILE   where to (a directory: into it; \"-\": standard output);\n"             \
    "                      default: the sender's name, in the current directory\n"                 \
    "  -d, --decompress    as it was before it was packed, or flattened\n"                         \
    "  -e, --elf           a Mach-O core as an ELF core, for gdb\n"                                \
    "  -f, --force         replace FILE if it is there\n"                                          \
    "  --private-key PEM   decrypt it: FreeBSD's, with the key that came with it,\n"               \
    "                      which is beside it, or in --key-blob FILE (key.N)\n"                    \
    "  --passphrase-file F the private key's passphrase; default: asked for\n"                     \
    "  --json              one object: id, output, bytes, complete\n\n"                            \
    "Exit status: 0 (a warning, when the dump is incomplete); 1 the compressed data\n"             \
    "is damaged, and only what comes before that was written; 2 could not.\n"

#define PND_HELP_EXTRACT                                                                           \
    "Takes out a dump that a machine wrote to its own disk. Apple's: the log, and\n"               \
    "each file, unpacked. FreeBSD's: info.0 and vmcore.0 (packed: .gz, .zst) or\n"                 \
    "textdump.tar.0, as savecore has them. Looks at every Apple_KernelCoreDump and\n"              \
    "freebsd-swap partition of a disk or an image of one (GPT), or at one by itself,\n"            \
    "or a file kernelcore. It only reads there, never writes. Each file becomes a\n"               \
    "dump of the list, as with \"panicctl import\".\n\n"                                           \
    "  -o, --output DIR   into a directory instead, made if it is missing. Several\n"              \
    "                     dumps: each into a directory of its own in it\n"                         \
    "  -l, --list         only say what is there\n"                                                \
    "  -f, --force        replace files of the same names in DIR\n"                                \
    "  --private-key PEM  decrypt FreeBSD's dump: the key to the public one that was\n"            \
    "                     given to the machine. --passphrase-file F: its passphrase\n"             \
    "  --json             one object: source, output, places (with their files)\n\n"               \
    "What is damaged is kept as far as it goes, as NAME.incomplete. What stays\n"                  \
    "encrypted is copied as it is: NAME.aea, or vmcore_encrypted.0 and key.0.\n\n"                 \
    "Exit status: 0; 1 there is no dump, or some of it is damaged; 2 could not.\n"

#define PND_HELP_PACK                                                                              \
    "Puts a dump and what is known of it into one zip: dump, panic.log, facts.json,\n"             \
    "transfer.json, README.txt, and MANIFEST.txt with the SHA-256 of each.\n" PND_HELP_ID          \
    "A FILE has a slash in its name, or is no ID.\n\n"                                             \
    "  -o, --output X.zip   where to (a directory: into it; \"-\": standard output);\n"            \
    "                       default: dump-ID.zip in the current directory\n"                       \
    "  -l, --log-only       without dump and registers: when memory is private\n"                  \
    "  -k, --key            FreeBSD's key of it, too, which is encrypted\n"                        \
    "  -n, --note TEXT      into note.txt\n"                                                       \
    "  -f, --force          replace X.zip if it is there\n"                                        \
    "  --json               one object: id, output, bytes, as_received, log_only,\n"               \
    "                       files\n\n"                                                             \
    "Exit status: 0 (a warning, when the dump is incomplete); 1 the dump is not what\n"            \
    "was received any more (the zip says so, too), or --log-only found nothing; 2\n"               \
    "could not, and there is no zip.\n"

#define PND_HELP_IMPORT                                                                            \
    "Takes files from elsewhere into the directory, as if they had been received: a\n"             \
    "copy that got its name when it was whole and on the disk, its number, and its\n"              \
    "check. Works beside a running server and without one. The files stay as they\n"               \
    "are; blocks are shared with them and holes stay holes, where that can be.\n"                  \
    "Of a pipe, or of - for standard input, all that comes is kept, and what\n"                    \
    "makedumpfile has flattened is put in order.\n\n"                                              \
    "  -n, --name NAME   what the dump is called (default: the file's own name)\n"                 \
    "  -m, --move        remove the file once the dump is safe\n"                                  \
    "  --keep-form       leave what comes through a pipe flattened, if it is\n"                    \
    "  --json            {\"imported\": [...]}: as in \"list --json\", with source, moved\n"       \
    "                    and same_as, an older dump of the same SHA-256\n\n"                       \
    "A disk or an image of one is for \"panicctl extract\".\n\n"                                   \
    "Exit status: 0 all are in the list, whole or not; 2 at least one is not.\n"

#define PND_HELP_RECEIVE                                                                           \
    "Takes a dump on standard input; or, as the command of a key of SSH, what a kdump\n"           \
    "set-up sends; or, with --listen, a dump from each TCP connection. It can do\n"                \
    "nothing else: in authorized_keys of the user whom the directory belongs to,\n"                \
    "  restrict,command=\"panicctl --directory DIR receive\" ssh-ed25519 ...\n\n"                  \
    "  -n, --name NAME      what each dump is called (default: after path or sender)\n"            \
    "  --keep-form          leave flattened what is; else it is put in order\n"                    \
    "  --dump-bytes SIZE    at most so much of each (16T)\n"                                       \
    "  --floor SIZE         leave so much free on the disk (1G)\n"                                 \
    "  --listen ADDR:PORT   by TCP; without the next three only on loopback, or, with\n"           \
    "                       --plain, on a private address\n"                                       \
    "  --tls-certificate F, --tls-key F, --clients F   TLS; CLIENTS signs the senders\n"           \
    "  --config FILE        by TCP, as [stream] of panicd.conf(5) says\n"                          \
    "  --senders N          at a time (8); who comes then waits\n"                                 \
    "  --idle TIME          who is silent for so long has gone (60s)\n"                            \
    "  --json               {\"received\": {...}}, as in \"list --json\"\n\n"                      \
    "Exit status: 0 kept; 1 kept, known to be incomplete; 2 not kept; 126 refused.\n"

#define PND_HELP_GROUP                                                                             \
    "GROUP is the id of a group, or a start of it; or a dump, as of \"panicctl list\".\n"

#define PND_HELP_GROUPS                                                                            \
    "The same panic, over machines and time, one a line, the newest last; of one\n"                \
    "GROUP all that is known: when it was seen, on which machines, and your note. A\n"             \
    "group is what is left of the panic string and the top of the backtrace without\n"             \
    "addresses, numbers and names of the moment. Dumps that are gone still "                       \
    "count.\n" PND_HELP_GROUP "\n"                                                                 \
    "  --json   {\"groups\": [...]}; of one group an object with its sightings\n\n"                \
    "Exit status: 0 also when there are none; 2 there is no such group.\n"

#define PND_HELP_NOTE                                                                              \
    "Attaches TEXT to a group, such as \"fixed in 10.15.5 beta 4\": groups and info\n"             \
    "show it, and watch does when the panic comes again. Without TEXT: says what\n"                \
    "there is. TEXT may be several words.\n" PND_HELP_GROUP "\n"                                   \
    "  --remove   take the note away\n"                                                            \
    "  --json     one object: group, title, note\n\n"                                              \
    "Exit status: 0; 1 there is no note; 2 there is no such group.\n"

#define PND_HELP_VACUUM                                                                            \
    "Removes the oldest dumps until what stays is within every limit given:\n\n"                   \
    "  --keep N            at most N dumps\n"                                                      \
    "  --older-than 90d    none that ended longer ago (s, min, h, d)\n"                            \
    "  --bytes 50G         at most so many bytes\n"                                                \
    "  -n, --dry-run       only say what would go\n"                                               \
    "  --json              one object: removed, freed, kept, kept_bytes, within ...\n\n"           \
    "Incomplete dumps go before complete ones. The first and the last of each group\n"             \
    "stay (see \"panicctl groups\"), and its last complete one; what is arriving; what\n"          \
    "has not been checked and read yet. Of a dump that goes its group keeps a line.\n\n"           \
    "Exit status: 0; 1 what has to stay is more than --keep or --bytes; 2 could not.\n"

#define PND_HELP_RM                                                                                \
    "Removes dumps, file and all that is known of it. One that is arriving stays.\n" PND_HELP_ID   \
    "\n"                                                                                           \
    "  --json   {\"removed\": [ID, ...]}\n\n"                                                      \
    "Exit status: 0 all are gone; 2 at least one is not.\n"

#define PND_HELP_BOOTARGS                                                                          \
    "decode  what each bit and word means, and what the machine does, by release\n"                \
    "lint    known traps in them, and what to write instead\n"                                     \
    "encode  the line for what is wanted\n\n"                                                      \
    "LINE is the boot-args, or only a value of debug=: 0xd44, \"DB_NMI|DB_ARP\".\n\n"              \
    "  --xnu N            as that train reads it (default 11417, macOS 15)\n"                      \
    "  --arch ARCH        x86_64 or arm64; default: both, where they differ\n"                     \
    "  --json             one object\n\n"                                                          \
    "encode: --network --local          where to; --paniclog: the log, no core\n"                  \
    "        --on-panic --on-nmi        when\n"                                                    \
    "        --reboot, --stay           and then; --keys: c and r end the wait\n"                  \
    "        --server IP --interface NAME    --network needs both; --port N\n"                     \
    "        --no-gzip --keepsyms       send it plain; backtraces with names\n\n"                  \
    "Exit status: 0; 1 lint found something; 2 not understood, or cannot be had.\n"

#define PND_HELP_SETUP                                                                             \
    "Prints what to type on the machine that may panic, step by step: what to check\n"             \
    "after each, how to undo it, and why. It does nothing itself.\n\n"                             \
    "  --for SYSTEM       macos, freebsd, linux; tftp: whatever sends so, boot\n"                  \
    "                     loaders, routers, small systems\n"                                       \
    "  --server IP        who receives: an address of this machine; --port N\n"                    \
    "  --interface NAME   what the other machine sends with, a wired interface there;\n"           \
    "                     linux: only when it is not the one of the route\n"                       \
    "  --release R        macOS 10.5 to 15 (default 15), FreeBSD 12 to 14\n"                       \
    "  --arch ARCH        a Mac: x86_64 (Intel) or arm64; default: both\n"                         \
    "  --client IP        freebsd, tftp: the address that it sends from\n"                         \
    "  --gateway IP       freebsd, tftp: the router between the two\n"                             \
    "  --on-nmi           macos, linux: an NMI dumps, too\n"                                       \
    "  --paniclog-only    macos: send the panic log, no memory\n"                                  \
    "  --local            macos: a core on its own disk; without --server, only that\n"            \
    "  --stay             macos: stay for a debugger, do not restart\n"                            \
    "  --brief            only the commands\n"                                                     \
    "  --json             for, about, steps (title, how, do, check, undo, why)\n\n"                \
    "Exit status: 0; 2 not understood, or cannot be had.\n"

#define PND_HELP_MESSAGE                                                                           \
    "Names the channels of panicd.conf's [message NAME] sections, what each has sent,\n"           \
    "what waits for it, and what is wrong.\n\n"                                                    \
    "  test [CHANNEL]   send a test message to one, or to all, and say what came back\n"           \
    "  --json           one object: served, channels; or tests\n\n"                                \
    "Exit status: 0; 1 a channel fails, or nobody sends; 2 could not tell.\n"

#define PND_HELP_DOCTOR                                                                            \
    "Looks at all that stands between a sender and this directory: a line for each,\n"             \
    "ok, warn or FAIL, and below it what to type. Changes nothing; root sees more.\n\n"            \
    "  --as-client IP[:PORT]  also send a small dump there, by the network; see that\n"            \
    "                         it is kept as it was sent, and remove it\n"                          \
    "  --port N               the UDP port that senders use, when not the server's\n"              \
    "  --json                 ok, directory, port, checks (check, result, text, fix)\n\n"          \
    "server     does one listen for this directory, on the right port\n"                           \
    "port       has another program the port\n"                                                    \
    "address    is it reached from outside\n"                                                      \
    "firewall   do nftables or iptables let it in\n"                                               \
    "directory, room, catalog, journal, left over\n"                                               \
    "           may it be written; is what panicd keeps in it in order\n"                          \
    "stream     who listens by TCP: was it killed, do its certificates expire\n"                   \
    "clock      is it synchronised\n"                                                              \
    "buffer     do the kernel's receive buffers do\n\n"                                            \
    "Exit status: 0 nothing failed; 1 something did; 2 could not.\n"

#endif
