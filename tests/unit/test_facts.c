/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Facts: bounded, clean, and the same after a way through JSON. */
#include "facts/facts.h"

#include "tap.h"

static void set(struct pnd_facts *facts, enum pnd_fact fact, const char *text)
{
    pnd_facts_set(facts, fact, text, strlen(text));
}

/* There and back. @return the facts that arrived; free them */
static struct pnd_facts travel(const struct pnd_facts *facts, bool with_log)
{
    struct pnd_facts ret = {0};
    json_t *json = pnd_facts_to_json(facts, with_log), *read;
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text != NULL);
    read = json_loads(text, 0, NULL);
    CHECK_EQ(pnd_facts_from_json(read, &ret), PND_OK);
    json_decref(json);
    json_decref(read);
    free(text);
    return ret;
}

static struct pnd_facts parse(const char *text)
{
    struct pnd_facts ret = {0};
    json_t *json = json_loads(text, 0, NULL);

    CHECK(json != NULL);
    CHECK_EQ(pnd_facts_from_json(json, &ret), PND_OK);
    json_decref(json);
    return ret;
}

static void nothing_is_known_at_first(void)
{
    struct pnd_facts facts = {0}, back = travel(&facts, true);

    CHECK_STR(pnd_facts_text(&back, PND_FACT_PANIC), "");
    CHECK(!back.log);
    CHECK_EQ(back.cpu_count + back.frame_count + back.module_count + back.range_count, 0);
    CHECK(!back.cut);
    pnd_facts_deinit(&back);
}

static void what_is_set_arrives_through_json(void)
{
    struct pnd_facts facts = {.map_physical = true}, back;
    struct pnd_fact_module *module;

    for (int i = 0; i < PND_FACT_COUNT; i++)
        pnd_facts_setf(&facts, (enum pnd_fact)i, "text %d\nof two lines", i);
    pnd_facts_add_register(&facts, pnd_facts_add_cpu(&facts, 0, false), "rip", 1);
    pnd_facts_add_register(&facts, pnd_facts_add_cpu(&facts, 3, true), "rip", UINT64_MAX);
    pnd_facts_add_frame(&facts, 0xffffffff81000000, 0xffff8880, "panic+0x1/0x2", 13, "kext", 4);
    pnd_facts_add_frame(&facts, 0, 0, "only words", 10, NULL, 0);
    pnd_facts_add_frame(&facts, 0, 0, NULL, 0, NULL, 0); /* nothing: no frame */
    module = pnd_facts_add_module(&facts, "com.example", 11);
    pnd_facts_set_word(&facts, &module->version, "1.0", 3);
    module->start = 4096;
    module->end = 8192;
    module->in_backtrace = true;
    pnd_facts_add_range(&facts, 0, 4096, PND_MEMORY_ZERO);
    pnd_facts_add_range(&facts, 4096, 12288, PND_MEMORY_PRESENT);
    pnd_facts_set_log(&facts, "first\nsecond\n", 13);

    back = travel(&facts, true);
    for (int i = 0; i < PND_FACT_COUNT; i++)
        CHECK_STR(pnd_facts_text(&back, (enum pnd_fact)i),
                  pnd_facts_text(&facts, (enum pnd_fact)i));
    CHECK_EQ(back.cpu_count, 2);
    CHECK(back.cpus[0].panicked && back.cpus[0].number == 3);
    CHECK(back.cpus[0].registers[0].value == UINT64_MAX);
    CHECK_STR(back.cpus[0].registers[0].name, "rip");
    CHECK_EQ(back.frame_count, 2);
    CHECK(back.frames[0].address == 0xffffffff81000000 && back.frames[0].frame == 0xffff8880);
    CHECK_STR(back.frames[0].module, "kext");
    CHECK_STR(back.frames[1].text, "only words");
    CHECK_EQ(back.module_count, 1);
    CHECK_STR(back.modules[0].version, "1.0");
    CHECK(back.modules[0].end == 8192 && back.modules[0].in_backtrace);
    CHECK_EQ(back.range_count, 2);
    CHECK(back.map_physical);
    CHECK_EQ(back.ranges[1].bytes[PND_MEMORY_PRESENT], 8192);
    CHECK_STR(back.log, "first\nsecond\n");
    pnd_facts_deinit(&back);
    back = travel(&facts, false);
    CHECK(!back.log);
    pnd_facts_deinit(&back);
    pnd_facts_deinit(&facts);
}

static void text_from_outside_is_cleaned(void)
{
    struct pnd_facts facts = {0};

    pnd_facts_set(&facts, PND_FACT_PANIC, "a\x1b[31m\0b\xff\xc3\xa9\tc\nd\xe2\x80\xae", 18);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_PANIC), "a?[31m?b?\xc3\xa9\tc\nd?");
    set(&facts, PND_FACT_PANIC, "");
    CHECK(!facts.text[PND_FACT_PANIC]);
    pnd_facts_deinit(&facts);
}

static void what_is_too_long_is_cut_and_said_so(void)
{
    static char big[PND_FACT_LOG_MAX + 10];
    struct pnd_facts facts = {0};

    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = 'z';
    CHECK(!facts.cut);
    pnd_facts_set(&facts, PND_FACT_PANIC, big, PND_FACT_TEXT_MAX + 1);
    CHECK(facts.cut);
    CHECK_EQ(strlen(facts.text[PND_FACT_PANIC]), PND_FACT_TEXT_MAX);
    pnd_facts_set_log(&facts, big, sizeof(big));
    CHECK_EQ(facts.log_len, PND_FACT_LOG_MAX);
    CHECK_EQ(facts.log[facts.log_len - 1], 'z'); /* the end is what counts */
    pnd_facts_deinit(&facts);
}

static void every_table_has_an_end(void)
{
    struct pnd_facts facts = {0};
    struct pnd_fact_cpu *cpu = NULL;

    for (unsigned i = 0; i < PND_FACT_CPUS_MAX + 5; i++)
        cpu = pnd_facts_add_cpu(&facts, i, false) ? &facts.cpus[i] : cpu;
    for (unsigned i = 0; i < PND_FACT_REGISTERS_MAX + 5; i++)
        pnd_facts_add_register(&facts, cpu, "r", i);
    pnd_facts_add_register(&facts, NULL, "r", 1); /* no CPU: nothing to do */
    for (unsigned i = 0; i < PND_FACT_FRAMES_MAX + 5; i++)
        pnd_facts_add_frame(&facts, i + 1, 0, NULL, 0, NULL, 0);
    for (unsigned i = 0; i < PND_FACT_MODULES_MAX + 5; i++)
        pnd_facts_add_module(&facts, "m", 1);
    CHECK_EQ(facts.cpu_count, PND_FACT_CPUS_MAX);
    CHECK_EQ(cpu->register_count, PND_FACT_REGISTERS_MAX);
    CHECK_EQ(facts.frame_count, PND_FACT_FRAMES_MAX);
    CHECK_EQ(facts.module_count, PND_FACT_MODULES_MAX);
    CHECK(facts.cut && !facts.no_memory);
    pnd_facts_deinit(&facts);
}

static uint64_t sum(const struct pnd_facts *facts, enum pnd_memory_kind kind)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < facts->range_count; i++)
        bytes += facts->ranges[i].bytes[kind];
    return bytes;
}

static void check_sorted(const struct pnd_facts *facts)
{
    for (unsigned i = 0; i < facts->range_count; i++) {
        CHECK(facts->ranges[i].start < facts->ranges[i].end);
        CHECK(i == 0 || facts->ranges[i - 1].end <= facts->ranges[i].start);
    }
}

static void what_the_map_covers_already_stays_as_it_is(void)
{
    struct pnd_facts facts = {0};

    pnd_facts_add_range(&facts, 100, 200, PND_MEMORY_PRESENT);
    pnd_facts_add_range(&facts, 300, 400, PND_MEMORY_PRESENT);
    pnd_facts_add_range(&facts, 50, 450, PND_MEMORY_ZERO);
    CHECK_EQ(sum(&facts, PND_MEMORY_PRESENT), 200);
    CHECK_EQ(sum(&facts, PND_MEMORY_ZERO), 200);
    CHECK_EQ(facts.range_count, 5);
    pnd_facts_add_range(&facts, 0, UINT64_MAX, PND_MEMORY_MISSING);
    CHECK(sum(&facts, PND_MEMORY_MISSING) == UINT64_MAX - 400);
    check_sorted(&facts);
    pnd_facts_deinit(&facts);
}

static void neighbours_of_one_kind_are_one(void)
{
    struct pnd_facts facts = {0};

    pnd_facts_add_range(&facts, 8192, 12288, PND_MEMORY_ZERO);
    pnd_facts_add_range(&facts, 0, 4096, PND_MEMORY_ZERO);
    pnd_facts_add_range(&facts, 4096, 8192, PND_MEMORY_ZERO);
    CHECK(facts.range_count <= 2);
    CHECK_EQ(sum(&facts, PND_MEMORY_ZERO), 12288);
    check_sorted(&facts);
    pnd_facts_deinit(&facts);
}

static void a_full_map_grows_coarser_and_loses_no_byte(void)
{
    struct pnd_facts facts = {0}, back;

    for (unsigned i = 0; i < 20000; i++) { /* each of 20000 places once, in no order */
        uint64_t start = (uint64_t)i * 7919 % 20000 * 16384;

        pnd_facts_add_range(&facts, start, start + 4096, PND_MEMORY_PRESENT);
        pnd_facts_add_range(&facts, start + 4096, start + 8192, PND_MEMORY_ZERO);
        CHECK(facts.range_count <= PND_FACT_RANGES_MAX);
    }
    CHECK_EQ(sum(&facts, PND_MEMORY_PRESENT), 20000 * 4096);
    CHECK_EQ(sum(&facts, PND_MEMORY_ZERO), 20000 * 4096);
    check_sorted(&facts);
    back = travel(&facts, true);
    CHECK_EQ(back.range_count, facts.range_count);
    CHECK_EQ(sum(&back, PND_MEMORY_PRESENT), 20000 * 4096);
    CHECK_EQ(sum(&back, PND_MEMORY_ZERO), 20000 * 4096);
    pnd_facts_deinit(&back);
    pnd_facts_deinit(&facts);
}

static void json_that_lies_is_left_out(void)
{
    struct pnd_facts facts = parse(
        "{\"os\":5,\"panic\":[1],\"kernel\":\"ok\",\"cpus\":[1,{\"cpu\":-1},{\"cpu\":2,"
        "\"registers\":{\"rip\":\"12\",\"rsp\":\"0xzz\",\"a_name_that_is_far_too_long\":\"0x1\"}}],"
        "\"backtrace\":[{},{\"address\":7},{\"address\":\"0x10000000000000000\"},{\"text\":\"a\"}],"
        "\"modules\":[{\"name\":\"\"},{\"name\":\"m\",\"start\":\"0x9\",\"end\":\"0x1\"}],"
        "\"memory\":{\"space\":7,\"ranges\":[{\"start\":\"0x0\",\"end\":\"0x10\",\"zero\":17},"
        "{\"start\":\"0x10\",\"end\":\"0x20\",\"zero\":-4},{\"start\":\"0x8\",\"end\":\"0x18\"},"
        "{\"start\":\"0x30\",\"end\":\"0x20\"}]},\"log\":{},\"unknown\":1}");

    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS), "");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "ok");
    CHECK_EQ(facts.cpu_count, 1);
    CHECK_EQ(facts.cpus[0].register_count, 3);
    CHECK_EQ(facts.cpus[0].registers[0].value, 0);
    CHECK_EQ(facts.frame_count, 1);
    CHECK_EQ(facts.module_count, 1);
    CHECK_EQ(facts.modules[0].start, 0);
    CHECK_EQ(facts.range_count, 1); /* [0x10, 0x20), with nothing known in it */
    CHECK(!facts.log);
    pnd_facts_deinit(&facts);
}

static void what_is_no_object_is_no_facts(void)
{
    json_t *json = json_loads("[1]", 0, NULL);
    struct pnd_facts facts = {0};

    CHECK_EQ(pnd_facts_from_json(json, &facts), PND_E_FORMAT);
    CHECK_EQ(pnd_facts_from_json(NULL, &facts), PND_E_FORMAT);
    json_decref(json);
}

int main(void)
{
    RUN(nothing_is_known_at_first);
    RUN(what_is_set_arrives_through_json);
    RUN(text_from_outside_is_cleaned);
    RUN(what_is_too_long_is_cut_and_said_so);
    RUN(every_table_has_an_end);
    RUN(what_the_map_covers_already_stays_as_it_is);
    RUN(neighbours_of_one_kind_are_one);
    RUN(a_full_map_grows_coarser_and_loses_no_byte);
    RUN(json_that_lies_is_left_out);
    RUN(what_is_no_object_is_no_facts);
    return tap_done();
}
