/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames of a Linux backtrace against a kernel with symbols: every instruction of its functions,
 * held against what addr2line says. argv[1] is that kernel (symbols_kernel.c). */
#include <limits.h>
#include <sys/stat.h>

#include "panicctl/symbols.h"
#include "unit/tmpdir.h"

enum { LINE_CAP = 4096 };

static const char *kernel_path;
static char build_id[65];
static uint64_t entry, entry_size;
static struct pnd_facts facts;
static struct pnd_symbols symbols;
static struct pnd_why why;

/* "nm -S 'KERNEL'" */
static FILE *run(const char *tool)
{
    char command[LINE_CAP];

    snprintf(command, sizeof(command), "%s '%s' 2>/dev/null", tool, kernel_path);
    return popen(command, "re");
}

/* Address and size of kernel_entry, and the build-id, as binutils say. */
static bool ask_binutils(void)
{
    FILE *f = run("nm -S");
    char line[LINE_CAP], name[LINE_CAP];
    unsigned long long at, size;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%llx %llx %*c %4000s", &at, &size, name) == 3 &&
            strcmp(name, "kernel_entry") == 0) {
            entry = at;
            entry_size = size;
        }
    if (f)
        pclose(f);
    f = run("readelf -n");
    while (f && fgets(line, sizeof(line), f))
        sscanf(line, " Build ID: %64[0-9a-f]", build_id);
    if (f)
        pclose(f);
    return entry_size > 0 && build_id[0];
}

/* "innermost (unit/symbols_kernel.c:15)\nmiddle (...)\nkernel_entry", as addr2line has it */
static void addr2line(uint64_t address, char ret[LINE_CAP])
{
    char tool[64], function[LINE_CAP], place[LINE_CAP];
    size_t used = 0;
    FILE *f;

    snprintf(tool, sizeof(tool), "addr2line -i -f -s 0x%" PRIx64 " -e", address);
    f = run(tool);
    ret[0] = '\0';
    while (f && fgets(function, sizeof(function), f) && fgets(place, sizeof(place), f)) {
        function[strcspn(function, "\n")] = '\0';
        place[strcspn(place, " \n")] = '\0';
        used += (size_t)snprintf(ret + used, LINE_CAP - used, "%s%s %s", used ? "\n" : "", function,
                                 place);
    }
    if (f)
        pclose(f);
}

/* The same form, from ours: "+ 0x12" and the folders taken out. */
static void plain(const char *text, char ret[LINE_CAP])
{
    size_t used = 0;

    for (const char *at = text; *at && used + 1 < LINE_CAP; at++) {
        if (strncmp(at, " + 0x", 5) == 0) {
            at += 5;
            while (*at && *at != ' ')
                at++;
        }
        if (*at == '(') {
            const char *end = strchr(at, ')'), *name = end;

            while (name && name > at && name[-1] != '/' && name[-1] != '(')
                name--;
            while (name && name < end)
                ret[used++] = *name++;
            at = end ? end : at;
            continue;
        }
        ret[used++] = *at;
    }
    ret[used] = '\0';
}

static void start(const char *id)
{
    pnd_symbols_deinit(&symbols);
    pnd_facts_deinit(&facts);
    pnd_facts_set(&facts, PND_FACT_OS, "Linux", 5);
    pnd_facts_set(&facts, PND_FACT_ARCH, "x86_64", 6);
    pnd_facts_set(&facts, PND_FACT_KERNEL, "6.1.0-test", 10);
    pnd_facts_set(&facts, PND_FACT_BUILD_ID, id, strlen(id));
}

static void add_frame(const char *name, uint64_t offset, uint64_t size, const char *module)
{
    char text[128];

    snprintf(text, sizeof(text), "%s+0x%" PRIx64 "/0x%" PRIx64, name, offset, size);
    pnd_facts_add_frame(&facts, 0, 0, text, strlen(text), module, module ? strlen(module) : 0);
}

static void every_offset_has_the_lines_that_addr2line_says(void)
{
    char ours[LINE_CAP], theirs[LINE_CAP];
    unsigned inlined = 0;

    start(build_id);
    add_frame("panic", 1, 2, NULL); /* so that the others are return addresses */
    for (uint64_t offset = 1; offset < entry_size; offset++)
        add_frame("kernel_entry", offset, entry_size, NULL);
    CHECK_EQ(pnd_symbols_find(&facts, kernel_path, false, &symbols, &why), PND_OK);
    CHECK_EQ(symbols.named, facts.frame_count - 1);
    for (unsigned i = 1; i < facts.frame_count; i++) {
        CHECK_EQ(symbols.frames[i].linked, entry + i);
        addr2line(entry + i - 1, theirs);
        plain(symbols.frames[i].text ? symbols.frames[i].text : "", ours);
        CHECK_STR(ours, theirs);
        inlined += strstr(ours, "innermost") != NULL;
    }
    CHECK(inlined > 5);
    CHECK(!symbols.frames[0].text);
}

static void the_instruction_that_faulted_is_not_moved_back(void)
{
    char ours[LINE_CAP], theirs[LINE_CAP];

    for (uint64_t offset = 0; offset < entry_size; offset++) {
        start(build_id);
        pnd_facts_set(&facts, PND_FACT_TRIGGER, "oops", 4);
        add_frame("kernel_entry", offset, entry_size, NULL);
        CHECK_EQ(pnd_symbols_find(&facts, kernel_path, false, &symbols, &why), PND_OK);
        addr2line(entry + offset, theirs);
        plain(symbols.frames[0].text ? symbols.frames[0].text : "", ours);
        CHECK_STR(ours, theirs);
    }
}

static void an_address_alone_is_moved_by_the_slide(void)
{
    char ours[LINE_CAP], theirs[LINE_CAP];

    start(build_id);
    pnd_facts_set(&facts, PND_FACT_SLIDE, "0x1c000000", 10);
    pnd_facts_add_frame(&facts, entry + 5 + 0x1c000000, 0, NULL, 0, NULL, 0);
    CHECK_EQ(pnd_symbols_find(&facts, kernel_path, false, &symbols, &why), PND_OK);
    CHECK_EQ(symbols.frames[0].linked, entry + 5);
    addr2line(entry + 4, theirs);
    plain(symbols.frames[0].text ? symbols.frames[0].text : "", ours);
    CHECK_STR(ours, theirs);
}

static void symbols_of_another_build_are_refused(void)
{
    start("0123456789abcdef");
    add_frame("kernel_entry", 3, entry_size, NULL);
    CHECK_EQ(pnd_symbols_find(&facts, kernel_path, false, &symbols, &why), PND_E_NAME);
    CHECK(strstr(why.text, build_id) && strstr(why.text, "0123456789abcdef"));
    CHECK(strstr(why.text, "--force") != NULL);
    CHECK_EQ(pnd_symbols_find(&facts, kernel_path, true, &symbols, &why), PND_OK);
    CHECK(symbols.file_count == 1 && symbols.files[0].differs);
    CHECK_EQ(symbols.named, 1);
}

static void a_frame_of_a_module_is_not_looked_up_in_the_kernel(void)
{
    start(build_id);
    add_frame("kernel_entry", 3, entry_size, "failover");
    add_frame("nothing_like_it", 3, 9, NULL);
    CHECK_EQ(pnd_symbols_find(&facts, kernel_path, false, &symbols, &why), PND_OK);
    CHECK_EQ(symbols.named, 0);
}

/* A directory with a link to the kernel at @p where. */
static void in_directory(const char *where)
{
    char path[512], *slash;

    tmp_make();
    snprintf(path, sizeof(path), "%s/%s", tmp_path, where);
    for (slash = strchr(path + strlen(tmp_path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    CHECK_EQ(symlink(kernel_path, path), 0);
    start(build_id);
    add_frame("kernel_entry", 3, entry_size, NULL);
    CHECK_EQ(pnd_symbols_find(&facts, tmp_path, false, &symbols, &why), PND_OK);
    CHECK_EQ(symbols.named, 1);
    tmp_remove();
}

static void a_directory_is_searched_in_the_usual_places(void)
{
    char by_id[256];

    in_directory("vmlinux");
    in_directory("vmlinux-6.1.0-test");
    in_directory("boot/vmlinux-6.1.0-test");
    in_directory("usr/lib/debug/boot/vmlinux-6.1.0-test");
    in_directory("usr/lib/debug/lib/modules/6.1.0-test/vmlinux");
    snprintf(by_id, sizeof(by_id), "usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
    in_directory(by_id);
    tmp_make();
    start(build_id);
    add_frame("kernel_entry", 3, entry_size, NULL);
    CHECK_EQ(pnd_symbols_find(&facts, tmp_path, false, &symbols, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "vmlinux-6.1.0-test") && strstr(why.text, "-dbg"));
    tmp_remove();
}

static void what_is_no_kernel_is_refused_or_survived(void)
{
    FILE *f = fopen(kernel_path, "re");
    static char bytes[1 << 20];
    size_t len = f ? fread(bytes, 1, sizeof(bytes), f) : 0;

    if (f)
        fclose(f);
    tmp_make();
    for (size_t cut = 4; cut < len; cut += len / 40 + 1) {
        tmp_write("vmlinux", bytes, cut);
        start(build_id);
        add_frame("kernel_entry", 3, entry_size, NULL);
        (void)pnd_symbols_find(&facts, tmp_file("vmlinux"), false, &symbols, &why);
        CHECK_EQ(symbols.named, 0);
    }
    tmp_remove();
    CHECK_EQ(pnd_symbols_find(&facts, "/proc/self/exe", false, &symbols, &why), PND_E_NAME);
}

int main(int argc, char **argv)
{
    static char path[PATH_MAX]; /* links will point there from elsewhere */

    kernel_path = argc > 1 && realpath(argv[1], path) ? path : "";
    if (!ask_binutils()) {
        printf("1..0 # SKIP nm and readelf (binutils) find no kernel_entry in %s\n", kernel_path);
        return 0;
    }
    RUN(every_offset_has_the_lines_that_addr2line_says);
    RUN(the_instruction_that_faulted_is_not_moved_back);
    RUN(an_address_alone_is_moved_by_the_slide);
    RUN(symbols_of_another_build_are_refused);
    RUN(a_frame_of_a_module_is_not_looked_up_in_the_kernel);
    RUN(a_directory_is_searched_in_the_usual_places);
    RUN(what_is_no_kernel_is_refused_or_survived);
    pnd_symbols_deinit(&symbols);
    pnd_facts_deinit(&facts);
    return tap_done();
}
