/* SPDX-License-Identifier: BSD-2-Clause
 *
 * File names of dumps, held to PROTOCOL.md#kdp-5. */
#include "tap.h"

#include "client/name.h"

enum { CURRENT = 11417 };

static const char *version_of(const char *text, uint32_t xnu)
{
    static char version[PND_DUMP_VERSION_CAP];

    memset(version, '#', sizeof(version));
    CHECK_EQ(pnd_dump_version(text, xnu, version), strlen(version));
    return version;
}

static const char *name_of(const struct pnd_dump_name *name)
{
    static char text[PND_DUMP_NAME_CAP];

    memset(text, '#', sizeof(text));
    CHECK_EQ(pnd_dump_name(name, text), strlen(text));
    return text;
}

static struct pnd_dump_name sierra(void)
{
    return (struct pnd_dump_name){
        .xnu = 3789,
        .kind = PND_DUMP_CORE,
        .version = "Darwin Kernel Version 16.7.0: Thu Jun 15 17:36:27 PDT 2017; "
                   "root:xnu-3789.72.11~1/RELEASE_X86_64",
        .ip = 0xc0a88882,
        .ticks = UINT64_C(0x123a5001516),
        .gzip = true,
    };
}

static void a_core_is_named_after_version_address_and_time(void)
{
    struct pnd_dump_name name = sierra();

    CHECK_STR(name_of(&name), "core-xnu-3789.72.11-192.168.136.130-a5001516.gz");
    name.gzip = false;
    CHECK_STR(name_of(&name), "core-xnu-3789.72.11-192.168.136.130-a5001516");
}

static void logs_have_prefixes_of_their_own_and_no_suffix(void)
{
    struct pnd_dump_name name = sierra();

    name.kind = PND_DUMP_PANICLOG;
    name.version = "xnu-1228.5.20";
    name.ip = 0x0a000007;
    name.ticks = 0x3f2a;
    CHECK_STR(name_of(&name), "paniclog-xnu-1228.5.20-10.0.0.7-3f2a");
    name.kind = PND_DUMP_SYSTEMLOG;
    name.version = "xnu-11417.101.15";
    name.ip = 0x0a010203;
    name.ticks = UINT64_C(0xff00000001);
    CHECK_STR(name_of(&name), "systemlog-xnu-11417.101.15-10.1.2.3-1");
}

static void a_kernel_without_a_version_is_custom(void)
{
    struct pnd_dump_name name = sierra();

    name.version = NULL;
    name.gzip = false;
    name.ip = 0x11ca28cc;
    name.ticks = 0xa75b4eec;
    CHECK_STR(name_of(&name), "core-custom-17.202.40.204-a75b4eec");
    CHECK_STR(version_of("", CURRENT), "custom");
    CHECK_STR(version_of("xnu", CURRENT), "custom");
    CHECK_STR(version_of("XNU-1", CURRENT), "custom");
    CHECK_STR(version_of("xn", CURRENT), "custom");
}

static void the_version_is_a_run_of_digits_and_dots(void)
{
    CHECK_STR(version_of("xnu-3789.72.11~1", CURRENT), "xnu-3789.72.11");
    CHECK_STR(version_of("xnu-3789.72.", CURRENT), "xnu-3789.72");
    CHECK_STR(version_of("xnu-3789..", CURRENT), "xnu-3789.");
    CHECK_STR(version_of("xnu-", CURRENT), "xnu-");
    CHECK_STR(version_of("xnu-/../etc", CURRENT), "xnu-");
    CHECK_STR(version_of("xxnxnu-7", CURRENT), "xnu-7");
    CHECK_STR(version_of("xnxnu-8 xnu-9", CURRENT), "xnu-8");
    /* 19 characters at most; a dot that the cut leaves at the end goes as well */
    CHECK_STR(version_of("xnu-11417.101.15.1.2.3", CURRENT), "xnu-11417.101.15.1");
    CHECK_STR(version_of("xnu-123456789012345678", CURRENT), "xnu-123456789012345");
}

static void the_version_must_begin_early(void)
{
    char text[160];

    for (int at = 0; at < 150; at++) {
        snprintf(text, sizeof(text), "%*sxnu-12", at, "");
        CHECK_STR(version_of(text, CURRENT), at < 115 ? "xnu-12" : "custom");
        CHECK_STR(version_of(text, 1504), at < 90 ? "xnu-12" : "custom");
    }
}

static void the_first_kernels_had_only_digits(void)
{
    CHECK_STR(version_of("xnu-517.12.7", 517), "xnu-517");
    CHECK_STR(version_of("xnu-12345", 792), "xnu-1234");
    CHECK_STR(version_of("xnu-1228.5", 1228), "xnu-1228.5");
}

static void old_kernels_have_no_suffix_and_short_names(void)
{
    struct pnd_dump_name name = sierra();

    name.xnu = 2782;
    CHECK_STR(name_of(&name), "core-xnu-3789.72.11-192.168.136.130-a5001516");
    name.xnu = 3248; /* 49 characters: the suffix is cut */
    name.version = "xnu-3248.60.11.9.1";
    CHECK_STR(name_of(&name), "core-xnu-3248.60.11.9.1-192.168.136.130-a5001516.");
    name.xnu = 3789;
    CHECK_STR(name_of(&name), "core-xnu-3248.60.11.9.1-192.168.136.130-a5001516.gz");
}

static void a_name_that_is_given_replaces_it_all(void)
{
    struct pnd_dump_name name = sierra();
    char given[121];

    name.fixed = "my core";
    CHECK_STR(name_of(&name), "my core");
    name.kind = PND_DUMP_PANICLOG;
    CHECK_STR(name_of(&name), "my core");
    memset(given, 'x', sizeof(given) - 1);
    given[120] = '\0';
    name.fixed = given;
    CHECK_EQ(strlen(name_of(&name)), 99);
    name.xnu = 3248;
    CHECK_EQ(strlen(name_of(&name)), 49);
    name = sierra();
    name.fixed = "";
    CHECK_STR(name_of(&name), "core-xnu-3789.72.11-192.168.136.130-a5001516.gz");
}

static void the_longest_name_fits(void)
{
    struct pnd_dump_name name = sierra();

    name.xnu = CURRENT;
    name.version = "xnu-11417.101.15.19";
    name.ip = 0xffffffff;
    name.ticks = UINT64_MAX;
    CHECK_STR(name_of(&name), "core-xnu-11417.101.15.19-255.255.255.255-ffffffff.gz");
}

int main(void)
{
    RUN(a_core_is_named_after_version_address_and_time);
    RUN(logs_have_prefixes_of_their_own_and_no_suffix);
    RUN(a_kernel_without_a_version_is_custom);
    RUN(the_version_is_a_run_of_digits_and_dots);
    RUN(the_version_must_begin_early);
    RUN(the_first_kernels_had_only_digits);
    RUN(old_kernels_have_no_suffix_and_short_names);
    RUN(a_name_that_is_given_replaces_it_all);
    RUN(the_longest_name_fits);
    return tap_done();
}
