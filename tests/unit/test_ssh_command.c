/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicctl/ssh_command.h"
#include "panicd/err.h"
#include "tap.h"

static void takes(const char *text, enum pnd_ssh_asked asked, const char *path)
{
    struct pnd_ssh_command command;

    memset(&command, 0x5a, sizeof(command));
    CHECK_EQ(pnd_ssh_command_parse(text, &command), PND_OK);
    CHECK_EQ(command.asked, asked);
    CHECK_STR(command.path, path);
}

static void refuses(const char *text)
{
    struct pnd_ssh_command command = {.asked = PND_SSH_ROOM};

    if (pnd_ssh_command_parse(text, &command) == PND_OK) {
        printf("# taken: %s\n", text);
        tap_ok = false;
    }
    CHECK_EQ(command.asked, PND_SSH_ROOM); /* untouched */
}

static const char dd_fedora[] =
    "umask 0077 && dd bs=512 of='/var/crash/10.0.40.7-2026-11-23-10:12:00/vmcore-incomplete'";
static const char cat_suse[] = "umask 077; mkdir -p /dumps/node7-2026-11-23-10-12 && cat > "
                               "/dumps/node7-2026-11-23-10-12/vmcore";

static void what_kdump_tools_asks_for_is_understood(void)
{
    takes("mkdir -p /var/crash/10.0.40.7-202611231012", PND_SSH_NOTHING, "");
    takes("dd of=/var/crash/10.0.40.7-202611231012/dump-incomplete", PND_SSH_RECEIVE,
          "/var/crash/10.0.40.7-202611231012/dump-incomplete");
    takes("mv /var/crash/x/dump-incomplete /var/crash/x/dump.202611231012", PND_SSH_NOTHING, "");
}

static void what_kdump_utils_asks_for_is_understood(void)
{
    takes("mktemp -dqp /var/crash", PND_SSH_TEMPORARY, "/var/crash");
    takes("rmdir /var/crash/tmp.panicd", PND_SSH_NOTHING, "");
    takes("df --output=avail /var/crash", PND_SSH_ROOM, "/var/crash");
    takes("umask 0077 && dd of='/var/crash/a-b/vmcore-dmesg-incomplete.txt'", PND_SSH_RECEIVE,
          "/var/crash/a-b/vmcore-dmesg-incomplete.txt");
    takes(dd_fedora, PND_SSH_RECEIVE, "/var/crash/10.0.40.7-2026-11-23-10:12:00/vmcore-incomplete");
    takes("mv '/var/crash/a-b/vmcore-incomplete' '/var/crash/a-b/vmcore.flat'", PND_SSH_NOTHING,
          "");
}

static void what_opensuse_asks_for_is_understood(void)
{
    takes(cat_suse, PND_SSH_RECEIVE, "/dumps/node7-2026-11-23-10-12/vmcore");
    takes("cat > vmcore", PND_SSH_RECEIVE, "vmcore");
    takes("cat>\"a dump; of & mine\"", PND_SSH_RECEIVE, "a dump; of & mine");
}

static void whatever_a_shell_could_be_made_of_is_refused(void)
{
    static const char *const hostile[] = {
        "",
        " ",
        ";",
        "&&",
        "sh",
        "sh -c id",
        "bash -i",
        "id",
        "/bin/sh",
        "cat",
        "cat /etc/passwd",
        "cat > a; id",
        "cat > a && id",
        "cat > a; cat > b",
        "id; cat > a",
        "cat > a > b",
        "cat > $(id)",
        "cat > `id`",
        "cat > a | sh",
        "cat < /etc/passwd",
        "cat >> a",
        "cat > a &",
        "cat /etc/passwd > a",
        "cat > a\nid",
        "cat > a\tb",
        "cat > 'a",
        "cat > \"a",
        "cat > 'a\"",
        "cat > \"$HOME\"",
        "cat > 'a\\'b'",
        "cat > \\a",
        "cat > a*",
        "cat > {a,b}",
        "cat > !x",
        "cat > -",
        "cat > ''",
        "cat >",
        "> a",
        "dd",
        "dd of=",
        "dd if=/etc/passwd of=a",
        "dd of=a of=b",
        "dd of=a conv=notrunc",
        "dd bs=x of=a",
        "dd bs= of=a",
        "dd of=a > b",
        "dd of=a bs=9999999999",
        "dd of=-a",
        "umask",
        "umask 8",
        "umask 077 -S",
        "mkdir",
        "mkdir -p",
        "mkdir /a",
        "mkdir -p -m",
        "mkdir -p /a /b",
        "mv /a",
        "mv -f /a /b",
        "mv /a /b /c",
        "rmdir -p",
        "rmdir /a /b",
        "rm /a",
        "rm -rf /",
        "df",
        "df /",
        "df --output=avail",
        "df --output=avail -a",
        "mktemp -d",
        "mktemp -dqp",
        "scp -t /var/crash",
        "scp -f /etc/passwd",
        "internal-sftp",
        "/usr/lib/openssh/sftp-server",
        "rsync --server . /",
        "panicctl list",
        "cat > a #",
        "cat > a;",
        "; cat > a",
        "umask 077; umask 077; umask 077; umask 077; cat > a",
        "env cat > a",
        "A=1 cat > a",
        "cat > a 2>&1",
        "cat > &1",
        "cat > \x01",
        "cat > \x7f",
        "cat > '\x1b[31m'",
        "df --output=avail /; cat > a",
        "mktemp -dqp /a && rmdir /a",
    };

    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++)
        refuses(hostile[i]);
}

/* Cut anywhere, a command is refused, or asks for a start of what it asked for. */
static void no_truncation_becomes_something_else(void)
{
    static const char *const whole[] = {dd_fedora, cat_suse, "df --output=avail /var/crash"};
    struct pnd_ssh_command all, cut;
    char text[256];

    for (size_t k = 0; k < sizeof(whole) / sizeof(*whole); k++) {
        CHECK_EQ(pnd_ssh_command_parse(whole[k], &all), PND_OK);
        for (size_t len = 0; len < strlen(whole[k]); len++) {
            snprintf(text, sizeof(text), "%.*s", (int)len, whole[k]);
            if (pnd_ssh_command_parse(text, &cut))
                continue;
            CHECK(cut.asked == PND_SSH_NOTHING || cut.asked == all.asked);
            CHECK(strncmp(cut.path, all.path, strlen(cut.path)) == 0);
        }
    }
}

static void every_limit_is_an_answer(void)
{
    static char text[PND_SSH_COMMAND_MAX + 2];
    struct pnd_ssh_command command;

    memcpy(text, "cat > ", 6);
    memset(text + 6, 'a', PND_SSH_PATH_CAP - 1);
    CHECK_EQ(pnd_ssh_command_parse(text, &command), PND_OK);
    CHECK_EQ(strlen(command.path), PND_SSH_PATH_CAP - 1);
    text[6 + PND_SSH_PATH_CAP - 1] = 'a';
    CHECK_EQ(pnd_ssh_command_parse(text, &command), PND_E_RANGE);
    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "cat > a", 7);
    text[PND_SSH_COMMAND_MAX] = '\0';
    CHECK_EQ(pnd_ssh_command_parse(text, &command), PND_OK);
    text[PND_SSH_COMMAND_MAX] = ' ';
    CHECK_EQ(pnd_ssh_command_parse(text, &command), PND_E_RANGE);
    refuses("dd bs=1 bs=2 bs=3 bs=4 of=a"); /* one word more than there is room for */
}

static uint64_t random_state = 7;

static unsigned random_below(unsigned most)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % most;
}

/* Words, and what parts them, in any order: what is taken has no byte that a shell would mind. */
static void nothing_that_is_taken_has_a_special_byte(void)
{
    static const char *const parts[] = {
        "cat", "dd", " ", " ",  ">",  "&&", ";", "'",     "\"",  "of=", "bs=5", "mkdir", "-p", "/a",
        "$",   "`",  "|", "\\", "\n", "mv", "(", "umask", "077", "<",   "&",    "\xff",  "*",  "#"};
    struct pnd_ssh_command command;
    char text[512];

    for (unsigned round = 0; round < 200000; round++) {
        size_t len = 0;

        text[0] = '\0';
        for (unsigned i = random_below(14); i > 0; i--)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                    parts[random_below(sizeof(parts) / sizeof(*parts))]);
        if (pnd_ssh_command_parse(text, &command) == PND_OK)
            CHECK(!strpbrk(command.path, "$`\\\n'\"") && command.path[0] != '-');
    }
}

static void named(const char *path, const char *name, enum pnd_ssh_file file)
{
    char got[PND_SSH_NAME_CAP];

    CHECK_EQ(pnd_ssh_command_name(path, got), file);
    CHECK_STR(got, name);
}

static void a_dump_is_named_after_machine_and_file(void)
{
    named("/var/crash/10.0.40.7-202611231012/dump-incomplete", "10.0.40.7-202611231012-dump",
          PND_SSH_FILE_DUMP);
    named("/var/crash/x/dump-incomplete.gz", "x-dump.gz", PND_SSH_FILE_DUMP);
    named("/var/crash/x/vmcore-incomplete", "x-vmcore", PND_SSH_FILE_DUMP);
    named("//node7-2026//vmcore", "node7-2026-vmcore", PND_SSH_FILE_DUMP);
    named("vmcore", "vmcore", PND_SSH_FILE_DUMP);
    named("/", "dump", PND_SSH_FILE_DUMP);
    named("a/", "a", PND_SSH_FILE_DUMP);
    named("/x/-incomplete", "x-dump", PND_SSH_FILE_DUMP);
    named("/x/vmcore-dmesg-incomplete.txt", "x-vmcore-dmesg.txt", PND_SSH_FILE_TEXT);
    named("/x/dmesg.202611231012", "x-dmesg.202611231012", PND_SSH_FILE_TEXT);
    named("/x/dmesg", "x-dmesg", PND_SSH_FILE_TEXT);
    named("/x/README.txt", "x-README.txt", PND_SSH_FILE_NONE);
}

static void a_long_name_is_cut(void)
{
    char path[PND_SSH_PATH_CAP], name[PND_SSH_NAME_CAP];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    path[500] = '/';
    pnd_ssh_command_name(path, name);
    CHECK(strlen(name) < PND_SSH_NAME_CAP && strlen(name) > PND_SSH_NAME_CAP / 2);
}

int main(void)
{
    RUN(what_kdump_tools_asks_for_is_understood);
    RUN(what_kdump_utils_asks_for_is_understood);
    RUN(what_opensuse_asks_for_is_understood);
    RUN(whatever_a_shell_could_be_made_of_is_refused);
    RUN(no_truncation_becomes_something_else);
    RUN(every_limit_is_an_answer);
    RUN(nothing_that_is_taken_has_a_special_byte);
    RUN(a_dump_is_named_after_machine_and_file);
    RUN(a_long_name_is_cut);
    return tap_done();
}
