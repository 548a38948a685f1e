/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Prometheus' text, written, and read again by its grammar. */
#include <ctype.h>
#include <jansson.h>

#include "panicweb/metrics.h"
#include "tap.h"

enum { SAMPLES_MAX = 2000, NAME_CAP = 128, LABELS_CAP = 1024 };

/* ---- a reader ---- */

static struct sample {
    char name[NAME_CAP], labels[LABELS_CAP]; /* labels without escapes: one=value;two=value; */
    double value;
} samples[SAMPLES_MAX];
static unsigned sample_count, family_count;
static char families[SAMPLES_MAX][NAME_CAP], types[SAMPLES_MAX][16];
static bool well_formed;

static void bad(const char *what, const char *at)
{
    printf("# %s: \"%.60s\"\n", what, at);
    well_formed = false;
}

static size_t name_length(const char *at)
{
    size_t len = 0;

    while (isalpha((unsigned char)at[len]) || at[len] == '_' ||
           (len && isdigit((unsigned char)at[len])))
        len++;
    return len;
}

/* From behind the "{" on. @return what is behind the "}"; NULL: it is no set of labels */
static const char *read_labels(const char *at, char *ret)
{
    size_t len, out = 0;

    while (*at != '}') {
        len = name_length(at);
        if (!len || at[len] != '=' || at[len + 1] != '"')
            return NULL;
        memcpy(ret + out, at, len + 1);
        out += len + 1;
        for (at += len + 2; *at != '"'; at++) {
            if (*at == '\n' || !*at)
                return NULL;
            if (*at == '\\' && *++at != '\\' && *at != '"' && *at != 'n')
                return NULL;
            ret[out++] = at[-1] == '\\' && *at == 'n' ? '\n' : *at;
        }
        ret[out++] = ';';
        at += 1 + (at[1] == ',');
    }
    ret[out] = '\0';
    return at + 1;
}

static void read_sample(const char *line)
{
    struct sample *sample = &samples[sample_count++];
    const char *at = line + name_length(line);
    char *end;

    snprintf(sample->name, sizeof(sample->name), "%.*s", (int)(at - line), line);
    sample->labels[0] = '\0';
    if (*at == '{')
        at = read_labels(at + 1, sample->labels);
    if (!at || *at != ' ') {
        bad("no sample", line);
        return;
    }
    sample->value = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\n')
        bad("no number", line);
    if (family_count == 0 ||
        strncmp(sample->name, families[family_count - 1], strlen(families[family_count - 1])) != 0)
        bad("not of the family before it", line);
    for (unsigned i = 0; i + 1 < sample_count; i++)
        if (strcmp(samples[i].name, sample->name) == 0 &&
            strcmp(samples[i].labels, sample->labels) == 0)
            bad("twice", line);
}

static void read_comment(const char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0) {
        snprintf(families[family_count], NAME_CAP, "%.*s", (int)name_length(line + 7), line + 7);
        for (unsigned i = 0; i < family_count; i++)
            if (strcmp(families[i], families[family_count]) == 0)
                bad("a family twice", line);
        family_count++;
    } else if (strncmp(line, "# TYPE ", 7) == 0 && family_count) {
        const char *name = families[family_count - 1];

        if (strncmp(line + 7, name, strlen(name)) != 0)
            bad("type of another family", line);
        else
            sscanf(line + 7 + strlen(name), " %15s", types[family_count - 1]);
    } else {
        bad("no comment", line);
    }
}

static void read_text(const char *text)
{
    sample_count = family_count = 0;
    well_formed = true;
    while (*text) {
        const char *end = strchr(text, '\n');

        if (!end) {
            bad("no line feed", text);
            return;
        }
        if (*text == '#')
            read_comment(text);
        else
            read_sample(text);
        text = end + 1;
    }
}

static double value_of(const char *name, const char *labels)
{
    for (unsigned i = 0; i < sample_count; i++)
        if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0)
            return samples[i].value;
    printf("# there is no %s{%s}\n", name, labels);
    return -1;
}

static const char *type_of(const char *name)
{
    for (unsigned i = 0; i < family_count; i++)
        if (strcmp(families[i], name) == 0)
            return types[i];
    return "none";
}

static void write_and_read(const json_t *server, const struct pnd_metrics_groups *groups)
{
    char *text = NULL;
    size_t len = 0;

    CHECK_EQ(pnd_metrics_write(server, groups, &text, &len), PND_OK);
    if (!text)
        return;
    CHECK_EQ(strlen(text), len);
    read_text(text);
    CHECK(well_formed);
    free(text);
}

/* ---- the tests ---- */

static const char answer[] =
    "{\"version\":\"1.2\",\"pid\":7,\"started_ms\":1700000000250,\"clients\":3,"
    "\"bounds_ms\":{\"duration\":[100,1000,60000],\"cause\":[50]},"
    "\"protocols\":[{\"protocol\":\"kdp\",\"bytes\":4294967296,\"packets\":12,\"repeats\":2,"
    "\"complete\":3,\"incomplete\":{\"sender\":1,\"room\":4},"
    "\"transfers\":{\"asked\":0,\"live\":2,\"finishing\":1,\"resting\":9},"
    "\"duration\":{\"counts\":[1,2,0,5],\"sum_ms\":123456},\"cause\":{\"counts\":[1,0],\"sum_ms\":"
    "7}},"
    "{\"protocol\":\"tftp\",\"bytes\":0,\"packets\":0,\"repeats\":0,\"complete\":0,"
    "\"incomplete\":{\"sender\":0,\"room\":0},"
    "\"transfers\":{\"asked\":0,\"live\":0,\"finishing\":0,\"resting\":0},"
    "\"duration\":{\"counts\":[0,0,0,0],\"sum_ms\":0},\"cause\":{\"counts\":[0,0],\"sum_ms\":0}}],"
    "\"refused\":{\"allow\":5,\"floor\":0},\"garbage\":8,\"stalls\":1,\"stalled\":1,"
    "\"idle_ms_max\":1500,\"transfers_max\":256,\"slots\":1024,\"resumed\":0,"
    "\"net\":{\"datagrams\":100,\"bytes\":99,\"replies\":98,\"replies_lost\":1,\"receive_drops\":2}"
    ","
    "\"services\":[{\"protocol\":\"kdp\",\"port\":1069,\"listening\":true},"
    "{\"protocol\":\"netdump\",\"port\":20023,\"listening\":false}],"
    "\"queues\":{\"keeper\":1,\"checker\":2,\"hook\":0},"
    "\"room\":{\"free\":10,\"total\":20,\"floor\":5},"
    "\"catalog\":{\"dumps\":7,\"incomplete\":2,\"bytes\":70,\"sources\":3,\"database_bytes\":4096}"
    "}";

static void every_number_is_told_with_its_labels(void)
{
    json_t *server = json_loads(answer, 0, NULL);

    CHECK(server != NULL);
    write_and_read(server, NULL);
    CHECK(value_of("panicd_up", "") == 1);
    CHECK(value_of("panicd_build_info", "version=1.2;") == 1);
    CHECK(value_of("panicd_start_time_seconds", "") == 1700000000.25);
    CHECK(value_of("panicd_received_bytes_total", "protocol=kdp;") == 4294967296.0);
    CHECK(value_of("panicd_repeated_packets_total", "protocol=kdp;") == 2);
    CHECK(value_of("panicd_dumps_total", "protocol=kdp;verdict=complete;") == 3);
    CHECK(value_of("panicd_dumps_total", "protocol=kdp;verdict=incomplete;") == 5);
    CHECK(value_of("panicd_dumps_incomplete_total", "protocol=kdp;reason=room;") == 4);
    CHECK(value_of("panicd_transfers", "protocol=kdp;state=live;") == 2);
    CHECK(value_of("panicd_transfer_idle_seconds", "") == 1.5);
    CHECK(value_of("panicd_refused_total", "rule=allow;") == 5);
    CHECK(value_of("panicd_queue_length", "queue=checker;") == 2);
    CHECK(value_of("panicd_listening", "protocol=kdp;") == 1);
    CHECK(value_of("panicd_listening", "protocol=netdump;") == 0);
    CHECK(value_of("panicd_room_free_bytes", "") == 10);
    CHECK(value_of("panicd_kept_dumps", "") == 7);
    CHECK(value_of("panicd_receive_drops_total", "") == 2);
    CHECK_STR(type_of("panicd_dumps_total"), "counter");
    CHECK_STR(type_of("panicd_transfers"), "gauge");
    json_decref(server);
}

static void a_histogram_counts_up_to_all(void)
{
    json_t *server = json_loads(answer, 0, NULL);

    write_and_read(server, NULL);
    CHECK_STR(type_of("panicd_dump_duration_seconds"), "histogram");
    CHECK(value_of("panicd_dump_duration_seconds_bucket", "protocol=kdp;le=0.1;") == 1);
    CHECK(value_of("panicd_dump_duration_seconds_bucket", "protocol=kdp;le=1;") == 3);
    CHECK(value_of("panicd_dump_duration_seconds_bucket", "protocol=kdp;le=60;") == 3);
    CHECK(value_of("panicd_dump_duration_seconds_bucket", "protocol=kdp;le=+Inf;") == 8);
    CHECK(value_of("panicd_dump_duration_seconds_count", "protocol=kdp;") == 8);
    CHECK(value_of("panicd_dump_duration_seconds_sum", "protocol=kdp;") == 123.456);
    CHECK(value_of("panicd_cause_known_seconds_bucket", "protocol=kdp;le=0.05;") == 1);
    json_decref(server);
}

static void without_a_server_it_says_so_and_nothing_else(void)
{
    write_and_read(NULL, NULL);
    CHECK_EQ(sample_count, 1);
    CHECK(value_of("panicd_up", "") == 0);
}

static void a_server_of_another_version_is_told_as_far_as_it_goes(void)
{
    static const char *const odd[] = {
        "{}",
        "{\"protocols\":[{}],\"refused\":{},\"bounds_ms\":{\"duration\":[]}}",
        "{\"protocols\":7,\"refused\":[],\"net\":3,\"room\":{\"free\":\"x\"},\"services\":{}}",
        "{\"protocols\":[{\"duration\":{\"counts\":[1]},\"transfers\":{\"live\":-1}}]}",
    };

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        json_t *server = json_loads(odd[i], 0, NULL);

        write_and_read(server, NULL);
        CHECK(value_of("panicd_up", "") == 1);
        json_decref(server);
    }
}

static struct pnd_metrics_groups groups;

static void add_group(const char *id, const char *title, uint64_t machines)
{
    struct pnd_group *group = &groups.at[groups.count++];

    *group = (struct pnd_group){.count = 2 * machines, .machines = machines, .last_ms = 90500};
    snprintf(group->signature.id, sizeof(group->signature.id), "%s", id);
    snprintf(group->signature.title, sizeof(group->signature.title), "%s", title);
    groups.total++;
}

static void a_title_of_any_bytes_is_one_label(void)
{
    static const char hostile[] = "quote\" back\\slash} 1\n# TYPE x counter\r\x1b[31m\xff";

    memset(&groups, 0, sizeof(groups));
    add_group("abcd", hostile, 3);
    add_group("ef01", "Größe 漢字", 1);
    write_and_read(NULL, &groups);
    CHECK(value_of("panicd_groups", "") == 2);
    CHECK(value_of("panicd_group_machines",
                   "group=abcd;title=quote\" back\\slash} 1\n# TYPE x counter??[31m?;") == 3);
    CHECK(value_of("panicd_group_dumps", "group=ef01;title=Größe 漢字;") == 2);
    CHECK(value_of("panicd_group_last_seen_timestamp_seconds", "group=ef01;title=Größe 漢字;") ==
          90.5);
}

static void a_long_title_is_cut_between_characters(void)
{
    char title[PND_SIGNATURE_TITLE] = "", want[LABELS_CAP];

    for (unsigned i = 0; i < 66; i++) /* of three bytes each: 128 is within one */
        memcpy(title + 3 * i, "漢", 3);
    memset(&groups, 0, sizeof(groups));
    add_group("abcd", title, 1);
    title[126] = '\0';
    snprintf(want, sizeof(want), "group=abcd;title=%s;", title);
    write_and_read(NULL, &groups);
    CHECK(value_of("panicd_group_machines", want) == 1);
}

int main(void)
{
    RUN(every_number_is_told_with_its_labels);
    RUN(a_histogram_counts_up_to_all);
    RUN(without_a_server_it_says_so_and_nothing_else);
    RUN(a_server_of_another_version_is_told_as_far_as_it_goes);
    RUN(a_title_of_any_bytes_is_one_label);
    RUN(a_long_title_is_cut_between_characters);
    return tap_done();
}
