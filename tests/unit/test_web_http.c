/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicweb/http.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

static struct pnd_range range_of(const char *header, uint64_t size)
{
    struct pnd_range range;

    pnd_http_range(header, size, &range);
    return range;
}

static bool is_part(const char *header, uint64_t size, uint64_t start, uint64_t end)
{
    struct pnd_range range = range_of(header, size);

    return range.kind == PND_RANGE_PART && range.start == start && range.end == end;
}

static void takes_the_ranges_of_rfc_9110(void)
{
    CHECK(is_part("bytes=0-499", 10000, 0, 500));
    CHECK(is_part("bytes=500-999", 10000, 500, 1000));
    CHECK(is_part("bytes=-500", 10000, 9500, 10000));
    CHECK(is_part("bytes=9500-", 10000, 9500, 10000));
    CHECK(is_part("bytes=0-0", 10000, 0, 1));
    CHECK(is_part("bytes=-1", 10000, 9999, 10000));
    CHECK(is_part("bytes=-20000", 10000, 0, 10000));
    CHECK(is_part("bytes=9999-20000", 10000, 9999, 10000));
    CHECK(is_part("bytes=0-18446744073709551615", 10, 0, 10));
    CHECK(is_part("bytes=0-99999999999999999999999", 10, 0, 10));
}

static void says_which_ranges_are_beyond(void)
{
    static const char *const beyond[] = {"bytes=10000-", "bytes=10000-10001", "bytes=-0",
                                         "bytes=18446744073709551615-",
                                         "bytes=99999999999999999999999-"};

    for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++)
        CHECK(range_of(beyond[i], 10000).kind == PND_RANGE_BEYOND);
    CHECK(range_of("bytes=0-", 0).kind == PND_RANGE_BEYOND);
    CHECK(range_of("bytes=-5", 0).kind == PND_RANGE_BEYOND);
}

static void leaves_what_makes_no_sense(void)
{
    static const char *const odd[] = {"",           "bytes",     "bytes=",       "bytes=-",
                                      "bytes=1",    "bytes=5-4", "bytes=0-1,2-", "bytes=a-b",
                                      "bytes=--1",  "bytes=1--", "lines=0-1",    "bytes=0-1x",
                                      "bytes = 0-1"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct pnd_range range = range_of(odd[i], 100);

        CHECK(range.kind == PND_RANGE_WHOLE && range.start == 0 && range.end == 100);
    }
    CHECK(range_of(NULL, 7).end == 7);
}

static void compares_etags(void)
{
    CHECK(pnd_http_etag_listed("\"a\"", "\"a\"", false));
    CHECK(pnd_http_etag_listed("\"b\", W/\"c\" ,\"a\"", "\"a\"", false));
    CHECK(pnd_http_etag_listed("*", "\"a\"", false));
    CHECK(pnd_http_etag_listed("W/\"a\"", "\"a\"", true));
    CHECK(!pnd_http_etag_listed("W/\"a\"", "\"a\"", false));
    CHECK(!pnd_http_etag_listed("a", "\"a\"", true));
    CHECK(!pnd_http_etag_listed("\"a", "\"a\"", true));
    CHECK(!pnd_http_etag_listed("\"aa\"", "\"a\"", true));
    CHECK(!pnd_http_etag_listed("W/", "\"a\"", true));
    CHECK(!pnd_http_etag_listed("", "\"a\"", true));
    CHECK(!pnd_http_etag_listed(NULL, "\"a\"", true));
}

static void knows_its_own_names(void)
{
    static const char *const names[] = {"dumps.example"};

    CHECK(pnd_http_host_known("localhost", NULL, 0));
    CHECK(pnd_http_host_known("LocalHost:1070", NULL, 0));
    CHECK(pnd_http_host_known("127.0.0.1:65535", NULL, 0));
    CHECK(pnd_http_host_known("[::1]", NULL, 0));
    CHECK(pnd_http_host_known("[::1]:1070", NULL, 0));
    CHECK(pnd_http_host_known("dumps.example:443", names, 1));
    CHECK(!pnd_http_host_known("dumps.example", NULL, 0));
    CHECK(!pnd_http_host_known("dumps.example.evil", names, 1));
    CHECK(!pnd_http_host_known("localhost.evil.example", NULL, 0));
    CHECK(!pnd_http_host_known("localhost:80:80", NULL, 0));
    CHECK(!pnd_http_host_known("localhost:123456", NULL, 0));
    CHECK(!pnd_http_host_known("127.0.0.2", NULL, 0));
    CHECK(!pnd_http_host_known("::1", NULL, 0));
    CHECK(!pnd_http_host_known("", NULL, 0));
}

static void quotes_names_of_files(void)
{
    char text[4 * 256 + 64], tiny[64];

    CHECK(strcmp(pnd_http_attachment("core.1", text, sizeof(text)),
                 "attachment; filename=\"core.1\"; filename*=UTF-8''core.1") == 0);
    pnd_http_attachment("a\"b\r\nX: y\xc3\xa4", text, sizeof(text));
    CHECK(!strpbrk(text, "\r\n"));
    CHECK(strcmp(text, "attachment; filename=\"a_b__X__y__\"; "
                       "filename*=UTF-8''a%22b%0D%0AX%3A%20y%C3%A4") == 0);
    for (size_t cap = 48; cap <= sizeof(tiny); cap++) { /* under a sanitizer: stays within */
        pnd_http_attachment("a name that does not fit into so little room", tiny, cap);
        CHECK(strlen(tiny) < cap);
    }
}

static void reads_credentials(void)
{
    struct pnd_credentials got;
    char longest[PND_HTTP_SECRET_CAP + 16];

    pnd_http_credentials("Basic YW5uOmI6Yw==", &got); /* ann:b:c */
    CHECK(got.kind == PND_CREDENTIALS_BASIC && strcmp(got.name, "ann") == 0 &&
          strcmp(got.secret, "b:c") == 0);
    pnd_http_credentials("basic  Og", &got); /* : */
    CHECK(got.kind == PND_CREDENTIALS_BASIC && !got.name[0] && !got.secret[0]);
    pnd_http_credentials("Bearer abc", &got);
    CHECK(got.kind == PND_CREDENTIALS_BEARER && strcmp(got.secret, "abc") == 0);
    static const char *const none[] = {"",           "Basic",          "Basic ",
                                       "Basic YW5u", "Basic YW5uOgBi", "Basic !!!!",
                                       "Digest x",   "Basic YW 5u"};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        pnd_http_credentials(none[i], &got);
        CHECK(got.kind == PND_CREDENTIALS_NONE);
    }
    snprintf(longest, sizeof(longest), "Bearer %0*d", PND_HTTP_SECRET_CAP, 1);
    pnd_http_credentials(longest, &got);
    CHECK(got.kind == PND_CREDENTIALS_NONE);
    pnd_http_credentials(NULL, &got);
    CHECK(got.kind == PND_CREDENTIALS_NONE);
}

int main(void)
{
    RUN(takes_the_ranges_of_rfc_9110);
    RUN(says_which_ranges_are_beyond);
    RUN(leaves_what_makes_no_sense);
    RUN(compares_etags);
    RUN(knows_its_own_names);
    RUN(quotes_names_of_files);
    RUN(reads_credentials);
    return tap_done();
}
