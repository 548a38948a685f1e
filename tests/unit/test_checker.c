/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that has dumps read: what it makes of those that change while it reads them. */
#include <poll.h>

#include "inspect/check.h"
#include "panicd/checker.h"
#include "unit/check_fixture.h"

#include "unit/catalog_fixture.h"

enum { LEN = 1 << 20, ROUNDS = 12 };

static uint8_t content[LEN];
static struct pnd_checker *checker;

static void write_content(uint8_t first)
{
    int fd = open(tmp_file("core.part"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    content[0] = first;
    CHECK_EQ(pwrite(fd, content, LEN, 0), LEN);
    close(fd);
}

/* Waits for the verdict on @p id. */
static bool verdict_on(uint64_t id, struct pnd_checker_news *ret)
{
    struct pollfd poller = {.fd = pnd_checker_fd(checker), .events = POLLIN};

    while (poll(&poller, 1, 20000) == 1) {
        while (pnd_checker_next(checker, ret)) {
            if (ret->verdict && ret->dump.id == id)
                return true;
        }
    }
    return false;
}

/* The kernel went back to write its header, and that was the end of the dump. */
static void change_and_end(uint64_t id)
{
    struct pnd_dump dump = a_dump(id, "core");
    char ended[sizeof(tmp_path) + 8];

    snprintf(ended, sizeof(ended), "%s/core", tmp_path);
    dump.checked = false;
    dump.sha256[0] = dump.format[0] = '\0';
    dump.bytes = LEN;
    CHECK_EQ(rename(tmp_file("core.part"), ended), 0);
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    pnd_checker_changed(checker, id);
    pnd_checker_wake(checker);
}

static void what_was_read_before_it_changed_is_not_in_the_verdict(void)
{
    struct pnd_addr peer = {0};
    struct pnd_checker_news news;
    int fd;

    setup();
    CHECK_EQ(pnd_checker_start(&spool, NULL, &checker, &why), PND_OK);
    for (uint64_t id = 1; id <= ROUNDS; id++) {
        fill_noise(content, LEN);
        write_content(1);
        pnd_checker_arriving(checker, id, "core", &peer, LEN);
        poll(NULL, 0, 100); /* the child reads it */
        fd = open(tmp_file("core.part"), O_RDWR | O_CLOEXEC);
        content[0] = 2;
        CHECK_EQ(pwrite(fd, content, 1, 0), 1);
        close(fd);
        change_and_end(id);
        CHECK(verdict_on(id, &news));
        CHECK_STR(news.dump.sha256, check_bytes(content, LEN).sha256);
        CHECK_EQ(unlink(tmp_file("core")), 0);
        CHECK_EQ(pnd_catalog_remove(catalog, id, &why), PND_OK);
    }
    pnd_checker_stop(checker);
    teardown();
}

int main(int argc, char **argv)
{
    pnd_check_child_main(argc, argv);
    RUN(what_was_read_before_it_changed_is_not_in_the_verdict);
    return tap_done();
}
