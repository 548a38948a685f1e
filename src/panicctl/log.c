/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl log: the panic log, or all that the kernel had said. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "panicctl/info.h"
#include "panicctl/symbols.h"

struct log {
    const char *symbols; /* NULL: not asked for */
    bool raw, force;
    struct pnd_subject subject;
    struct pnd_facts facts;
    struct pnd_check check;
};

/* Says why, and what to do about it. @return PND_EXIT_NO */
static int no_log(const struct log *log)
{
    const char *format = pnd_subject_format(&log->subject, &log->check);
    char name[PND_SPOOL_NAME_CAP], shown[PND_PRINT_NAME_CAP];

    pnd_subject_name(&log->subject, name, sizeof(name));
    pnd_print_name(shown, name);
    if (log->subject.row && log->subject.view.arriving)
        pnd_ctl_fail("no log has come yet of %s, which still arrives; \"panicctl watch\" shows it",
                     shown);
    else if (strstr(format, "corefile"))
        pnd_ctl_fail("no log was found in %s; \"panicctl extract\" takes it out of a corefile",
                     shown);
    else
        pnd_ctl_fail("no log was found in %s%s%s; \"panicctl info %s\" says what is known", shown,
                     format[0] ? ", which is " : "", format, shown);
    return PND_EXIT_NO;
}

static json_t *frames_json(const struct pnd_symbols *symbols)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < symbols->frame_count; i++) {
        const struct pnd_symbol *symbol = &symbols->frames[i];
        char linked[24];

        snprintf(linked, sizeof(linked), "0x%llx", (unsigned long long)symbol->linked);
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o}", "linked",
                      symbol->file < 0 ? json_null() : json_string(linked), "file",
                      symbol->file < 0 ? json_null()
                                       : pnd_print_json_text(symbols->files[symbol->file].path),
                      "text", symbol->text ? pnd_print_json_text(symbol->text) : json_null()));
    }
    return list;
}

static int log_json(const struct log *log, const struct pnd_symbols *symbols)
{
    const struct pnd_dump *dump = &log->subject.view.dump;
    json_t *json =
        json_pack("{s:o, s:o, s:b}", "id",
                  log->subject.row && dump->id ? json_integer((json_int_t)dump->id) : json_null(),
                  "log", log->facts.log ? pnd_print_json_text(log->facts.log) : json_null(), "cut",
                  (int)log->facts.cut);

    if (json && symbols)
        json_object_set_new(json, "symbols", frames_json(symbols));
    return pnd_print_json(json);
}

static int print_symbols(const struct pnd_ctl *ctl, const struct log *log)
{
    struct pnd_symbols symbols = {0};
    struct pnd_why why = {0};
    int code = PND_EXIT_OK;
    int err = pnd_symbols_find(&log->facts, log->symbols, log->force, &symbols, &why);

    if (err == PND_E_NOTFOUND || err == PND_E_NAME || err == PND_E_ARG) {
        pnd_ctl_fail("%s", why.text);
        return PND_EXIT_NO;
    }
    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (ctl->json)
        code = log_json(log, &symbols);
    else
        pnd_symbols_print(stdout, &log->facts, &symbols);
    pnd_symbols_deinit(&symbols);
    return code;
}

static int print_log(struct pnd_ctl *ctl, const struct log *log)
{
    const struct pnd_facts *facts = &log->facts;

    if (log->symbols && (facts->log || facts->frame_count))
        return print_symbols(ctl, log);
    if (!facts->log)
        return no_log(log);
    if (ctl->json)
        return log_json(log, NULL);
    if (log->raw)
        fwrite(facts->log, 1, facts->log_len, stdout);
    else
        pnd_print_text(stdout, facts->log, facts->log_len);
    if (facts->log_len && facts->log[facts->log_len - 1] != '\n')
        putchar('\n');
    return PND_EXIT_OK;
}

static int run(struct pnd_ctl *ctl, const char *what, struct log *log)
{
    struct pnd_why why = {0};
    int err = pnd_subject_find(ctl, what, &log->subject, &why);

    if (!err)
        err = pnd_subject_facts(ctl, &log->subject, true, &log->facts, &log->check, &why);
    return err ? pnd_ctl_fail("%s", why.text) : print_log(ctl, log);
}

int pnd_verb_log(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"symbols", required_argument, NULL, 's'}, {"force", no_argument, NULL, 'f'},
        {"raw", no_argument, NULL, 'r'},           {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct log log = {.subject.fd = -1};
    int option, code;

    while ((option = getopt_long(argc, argv, "s:frjh", options, NULL)) != -1) {
        if (option == 's')
            log.symbols = optarg;
        else if (option == 'f')
            log.force = true;
        else if (option == 'r')
            log.raw = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "log takes one ID or FILE");
    if (log.raw && (log.symbols || ctl->json))
        return pnd_ctl_misused(argv[0], "--raw stands alone: the log, and nothing else");
    if (log.raw && ctl->terminal)
        return pnd_ctl_fail("a log as it came may steer a terminal; without --raw it is escaped, "
                            "or send it to a file or a pipe");

    code = run(ctl, optind < argc ? argv[optind] : "latest", &log);
    pnd_facts_deinit(&log.facts);
    pnd_subject_deinit(&log.subject);
    return code;
}
