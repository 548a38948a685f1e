/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program and its libraries, as the linker of this machine names them. */
#include <unistd.h>

#include "arm/program.h"

#include "tap.h"

static struct pnd_why why;
static struct pnd_program program;

static void each_form_of_a_line_is_read(void)
{
    static const struct {
        const char *line, *path;
        int err;
    } rows[] = {
        {"\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f36d6846000)\n",
         "/lib/x86_64-linux-gnu/libz.so.1", PND_OK},
        {"\t/lib64/ld-linux-x86-64.so.2 (0x00007f36d69cb000)\n", "/lib64/ld-linux-x86-64.so.2",
         PND_OK},
        {"\tlibq.so => /opt/a b (1)/libq.so (0x1)", "/opt/a b (1)/libq.so", PND_OK},
        {"\tlinux-vdso.so.1 (0x00007f36d69c9000)\n", "", PND_OK},
        {"\tlibdw.so.1 => not found\n", "", PND_E_NOTFOUND},
        {"\tstatically linked\n", "", PND_OK},
        {"", "", PND_OK},
    };
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(pnd_program_parse(rows[i].line, path), rows[i].err);
        CHECK_STR(path, rows[i].path);
    }
}

static void a_path_that_is_too_long_is_refused(void)
{
    static char line[PATH_MAX + 32], path[PATH_MAX];

    memset(line, 'x', sizeof(line) - 1);
    line[0] = '/';
    CHECK_EQ(pnd_program_parse(line, path), PND_E_RANGE);
    line[PATH_MAX - 1] = '\0';
    CHECK_EQ(pnd_program_parse(line, path), PND_OK);
    CHECK_EQ(strlen(path), PATH_MAX - 1);
}

static void a_program_comes_with_its_libraries_and_their_linker(void)
{
    bool libc = false, linker = false;

    CHECK_EQ(pnd_program_find("env", &program, &why), PND_OK);
    CHECK(strstr(program.files[0], "/bin/env") != NULL);
    for (size_t i = 0; i < program.count; i++) {
        CHECK(access(program.files[i], R_OK) == 0);
        libc |= strstr(program.files[i], "/libc.") != NULL;
        linker |= strstr(program.files[i], "/ld-") != NULL;
    }
    CHECK(libc && linker);
}

static void one_that_is_not_there_is_named(void)
{
    CHECK_EQ(pnd_program_find("no-such-program", &program, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "no-such-program is not installed"));
}

int main(void)
{
    RUN(each_form_of_a_line_is_read);
    RUN(a_path_that_is_too_long_is_refused);
    RUN(a_program_comes_with_its_libraries_and_their_linker);
    RUN(one_that_is_not_there_is_named);
    return tap_done();
}
