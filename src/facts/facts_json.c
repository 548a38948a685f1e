/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Facts as JSON, both ways. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts.h"

/* ---- out ---- */

static json_t *address_to_json(uint64_t address)
{
    char text[2 + 16 + 1];

    snprintf(text, sizeof(text), "0x%" PRIx64, address);
    return json_string(text);
}

/* What is not known is not there. */
static int put_text(json_t *json, const char *key, const char *text)
{
    return text && *text ? json_object_set_new(json, key, json_string(text)) : 0;
}

static int put_address(json_t *json, const char *key, uint64_t address)
{
    return address ? json_object_set_new(json, key, address_to_json(address)) : 0;
}

static json_t *cpu_to_json(const struct pnd_fact_cpu *cpu)
{
    json_t *registers = json_object();
    int bad = 0;

    for (unsigned i = 0; i < cpu->register_count; i++)
        bad |= json_object_set_new(registers, cpu->registers[i].name,
                                   address_to_json(cpu->registers[i].value));
    if (bad) {
        json_decref(registers);
        return NULL;
    }
    return json_pack("{s:I, s:b, s:o}", "cpu", (json_int_t)cpu->number, "panicked",
                     (int)cpu->panicked, "registers", registers);
}

static json_t *frame_to_json(const struct pnd_fact_frame *frame)
{
    json_t *json = json_object();

    if (put_address(json, "address", frame->address) || put_address(json, "frame", frame->frame) ||
        put_text(json, "text", frame->text) || put_text(json, "module", frame->module)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *module_to_json(const struct pnd_fact_module *module)
{
    json_t *json = json_object();

    if (put_text(json, "name", module->name) || put_text(json, "version", module->version) ||
        put_text(json, "id", module->id) || put_address(json, "start", module->start) ||
        put_address(json, "end", module->end) ||
        json_object_set_new(json, "in_backtrace", json_boolean(module->in_backtrace))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *range_to_json(const struct pnd_fact_range *range)
{
    json_t *json = json_object();
    int bad = json_object_set_new(json, "start", address_to_json(range->start)) |
              json_object_set_new(json, "end", address_to_json(range->end));

    for (int i = 0; i < PND_MEMORY_COUNT; i++) {
        if (range->bytes[i])
            bad |= json_object_set_new(
                json, pnd_memory_name((enum pnd_memory_kind)i),
                json_integer((json_int_t)(range->bytes[i] & (uint64_t)INT64_MAX)));
    }
    if (bad) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* An array under @p key of what @p one makes of each of @p count entries of @p size bytes. */
#define PUT_ALL(json, key, table, count, one)                                                      \
    do {                                                                                           \
        json_t *all = (count) ? json_array() : NULL;                                               \
        for (unsigned i = 0; i < (count); i++)                                                     \
            bad |= json_array_append_new(all, one(&(table)[i]));                                   \
        if (count)                                                                                 \
            bad |= json_object_set_new(json, key, all);                                            \
    } while (0)

static int put_memory(json_t *json, const struct pnd_facts *facts)
{
    json_t *memory = json_pack("{s:s}", "space", facts->map_physical ? "physical" : "virtual");
    int bad = 0;

    PUT_ALL(memory, "ranges", facts->ranges, facts->range_count, range_to_json);
    return bad | json_object_set_new(json, "memory", memory);
}

json_t *pnd_facts_to_json(const struct pnd_facts *facts, bool with_log)
{
    json_t *json = json_object();
    int bad = 0;

    for (int i = 0; i < PND_FACT_COUNT; i++)
        bad |= put_text(json, pnd_fact_name((enum pnd_fact)i), facts->text[i]);
    PUT_ALL(json, "cpus", facts->cpus, facts->cpu_count, cpu_to_json);
    PUT_ALL(json, "backtrace", facts->frames, facts->frame_count, frame_to_json);
    PUT_ALL(json, "modules", facts->modules, facts->module_count, module_to_json);
    if (facts->range_count)
        bad |= put_memory(json, facts);
    if (facts->cut)
        bad |= json_object_set_new(json, "cut", json_true());
    if (with_log)
        bad |= put_text(json, "log", facts->log);
    if (bad) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* ---- in ---- */

/* A string as written above. @return 0 when it is none */
static uint64_t address_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    unsigned long long value;
    char *end;

    if (!text || strncmp(text, "0x", 2) != 0 || !text[2] || strlen(text) > 18 ||
        text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
        return 0;
    errno = 0;
    value = strtoull(text, &end, 16);
    return errno ? 0 : value;
}

static const char *string_of(const json_t *json, const char *key, size_t *ret_len)
{
    const json_t *value = json_object_get(json, key);

    *ret_len = json_string_length(value);
    return json_string_value(value);
}

static void take_word(struct pnd_facts *facts, char **at, const json_t *json, const char *key)
{
    size_t len;
    const char *text = string_of(json, key, &len);

    if (text)
        pnd_facts_set_word(facts, at, text, len);
}

static void take_cpu(struct pnd_facts *facts, json_t *json)
{
    json_int_t number = json_integer_value(json_object_get(json, "cpu"));
    json_t *registers = json_object_get(json, "registers");
    struct pnd_fact_cpu *cpu;
    const char *name;

    if (!json_is_object(json) || number < 0 || number > INT_MAX)
        return;
    cpu =
        pnd_facts_add_cpu(facts, (unsigned)number, json_is_true(json_object_get(json, "panicked")));
    for (void *at = json_object_iter(registers); at; at = json_object_iter_next(registers, at)) {
        name = json_object_iter_key(at);
        pnd_facts_add_register(facts, cpu, name, address_of(registers, name));
    }
}

static void take_frame(struct pnd_facts *facts, json_t *json)
{
    size_t text_len, module_len;
    const char *text = string_of(json, "text", &text_len);
    const char *module = string_of(json, "module", &module_len);

    pnd_facts_add_frame(facts, address_of(json, "address"), address_of(json, "frame"), text,
                        text_len, module, module_len);
}

static void take_module(struct pnd_facts *facts, json_t *json)
{
    struct pnd_fact_module *module;
    size_t len;
    const char *name = string_of(json, "name", &len);

    if (!name || len == 0)
        return;
    module = pnd_facts_add_module(facts, name, len);
    if (!module)
        return;
    take_word(facts, &module->version, json, "version");
    take_word(facts, &module->id, json, "id");
    module->start = address_of(json, "start");
    module->end = address_of(json, "end");
    if (module->end < module->start)
        module->start = module->end = 0;
    module->in_backtrace = json_is_true(json_object_get(json, "in_backtrace"));
}

static void take_range(struct pnd_facts *facts, json_t *json)
{
    struct pnd_fact_range range = {.start = address_of(json, "start"),
                                   .end = address_of(json, "end")};

    for (int i = 0; i < PND_MEMORY_COUNT; i++) {
        json_int_t bytes =
            json_integer_value(json_object_get(json, pnd_memory_name((enum pnd_memory_kind)i)));

        range.bytes[i] = bytes > 0 ? (uint64_t)bytes : 0;
    }
    pnd_facts_append_range(facts, &range);
}

static void take_all(struct pnd_facts *facts, json_t *array,
                     void (*one)(struct pnd_facts *facts, json_t *json))
{
    for (size_t i = 0; i < json_array_size(array); i++)
        one(facts, json_array_get(array, i));
}

int pnd_facts_from_json(const json_t *json, struct pnd_facts *ret)
{
    struct pnd_facts facts = {0};
    const json_t *memory = json_object_get(json, "memory");
    const char *text, *space = json_string_value(json_object_get(memory, "space"));
    size_t len;

    if (!json_is_object(json))
        return PND_E_FORMAT;
    for (int i = 0; i < PND_FACT_COUNT; i++) {
        text = string_of(json, pnd_fact_name((enum pnd_fact)i), &len);
        if (text)
            pnd_facts_set(&facts, (enum pnd_fact)i, text, len);
    }
    take_all(&facts, json_object_get(json, "cpus"), take_cpu);
    take_all(&facts, json_object_get(json, "backtrace"), take_frame);
    take_all(&facts, json_object_get(json, "modules"), take_module);
    take_all(&facts, json_object_get(memory, "ranges"), take_range);
    facts.map_physical = space && strcmp(space, "physical") == 0;
    text = string_of(json, "log", &len);
    if (text)
        pnd_facts_set_log(&facts, text, len);
    facts.cut |= json_is_true(json_object_get(json, "cut"));
    if (facts.no_memory) {
        pnd_facts_deinit(&facts);
        return PND_E_SYS;
    }
    *ret = facts;
    return PND_OK;
}
