/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a message says: fields, templates, e-mail, signature; from text that means harm. */
#include <string.h>

#include "message/template.h"
#include "messenger/mail.h"
#include "messenger/post.h"
#include "tap.h"

static const char evil[] =
    "a\"b\\c\r\nBcc: <x@y>\r\n\r\n\x1b[2J\xff\xc3\xbc${id}\xe2\x80\xae</script>";

static json_t *some_fields(void)
{
    json_t *fields = pnd_fields_create(PND_MESSAGE_PANIC, 1000, "/dumps");

    pnd_fields_set(fields, "title", evil);
    pnd_fields_set(fields, "peer", "10.0.40.7");
    json_object_set_new(fields, "id", json_integer(42));
    pnd_fields_settle(fields);
    return fields;
}

static void a_field_is_one_line_of_what_can_be_printed(void)
{
    json_t *fields = some_fields();
    const char *title = json_string_value(json_object_get(fields, "title"));
    char longer[3 * PND_FIELD_TEXT_MAX];

    CHECK_STR(title, "a\"b\\c? Bcc: <x@y>? ? ?[2J?\xc3\xbc${id}?</script>");
    memset(longer, 'x', sizeof(longer));
    for (size_t i = 1; i + 1 < sizeof(longer); i += 2)
        memcpy(longer + i, "\xc3\xbc", 2);
    longer[sizeof(longer) - 1] = '\0';
    pnd_fields_set(fields, "name", longer);
    CHECK_EQ(json_string_length(json_object_get(fields, "name")), PND_FIELD_TEXT_MAX - 1);
    json_decref(fields);
}

static void a_template_knows_its_fields_and_says_which_it_does_not(void)
{
    static const char *const good[] = {"", "x", "$", "$x", "${id}", "$${no}", "a${id}b${title}$"};
    static const char *const bad[][2] = {{"${nothing}", "there is no field \"nothing\""},
                                         {"${id", "\"${id\" has no \"}\""},
                                         {"a ${} b", "there is no field \"\""},
                                         {"${i\x1b}", "there is no field \"i\\x1b\""}};
    struct pnd_why why;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CHECK_EQ(pnd_template_check(good[i], &why), PND_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_EQ(pnd_template_check(bad[i][0], &why), PND_E_FORMAT);
        CHECK_STR(why.text, bad[i][1]);
    }
}

static void what_a_field_says_stays_within_its_place(void)
{
    json_t *fields = some_fields(), *json;
    char *text = pnd_template_render("{\"a\": \"${title}\", \"n\": ${id}, \"x\": \"${os}$${id}\"}",
                                     fields, PND_TEMPLATE_JSON);

    json = text ? json_loads(text, 0, NULL) : NULL;
    CHECK(json != NULL);
    CHECK_STR(json_string_value(json_object_get(json, "a")),
              json_string_value(json_object_get(fields, "title")));
    CHECK_EQ(json_integer_value(json_object_get(json, "n")), 42);
    CHECK_STR(json_string_value(json_object_get(json, "x")), "${id}");
    json_decref(json);
    free(text);
    json_decref(fields);
}

static struct pnd_message_channel a_mail(void)
{
    return (struct pnd_message_channel){.name = "post",
                                        .way = PND_MESSAGE_MAIL,
                                        .from = "a@a.example",
                                        .to = {.at = {"b@b.example"}, .count = 1}};
}

static void no_header_of_a_mail_comes_from_outside(void)
{
    struct pnd_message_channel channel = a_mail();
    struct pnd_queue_message message = {.id = "1-panic-2-0", .fields = some_fields()};
    size_t len = 0, headers = 0;
    char *text, *end;

    pnd_fields_set(message.fields, "server", "a\"b>c");
    pnd_fields_set(message.fields, "group", "> evil");
    snprintf(channel.subject, sizeof(channel.subject), "${title}${title}${title}");
    text = pnd_mail_write(&channel, &message, 1795329000, &len);
    CHECK(text && len == strlen(text));
    if (!text)
        return;
    end = strstr(text, "\r\n\r\n");
    CHECK(end != NULL);
    CHECK(strstr(text, "Date: Sun, 22 Nov 2026 06:30:00 +0000\r\n") != NULL);
    CHECK(strstr(text, "Message-ID: <1-panic-2-0.post@a>\r\n") != NULL);
    CHECK(!strstr(text, "References:") && !strstr(text, "Bcc"));
    for (char *line = text; line < end; line = strstr(line, "\r\n") + 2) {
        headers += *line != ' ';
        CHECK(strcspn(line, "\r") <= 76);
        CHECK(strcspn(line, "\r") == strcspn(line, "\n") - 1);
    }
    CHECK_EQ(headers, 9);
    free(text);
    json_decref(message.fields);
}

/* Its words decoded would be it again; here is counted that none is cut within a character. */
static void a_subject_is_plain_or_encoded_words(void)
{
    static const char *const rows[][2] = {
        {"plain", "Subject: plain\r\n"},
        {"", "Subject: \r\n"},
        {"=?UTF-8?Q?x?=", "Subject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n"},
        {"\xc3\xbc", "Subject: =?UTF-8?B?w7w=?=\r\n"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xbc",
         "Subject: =?UTF-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?=\r\n"
         " =?UTF-8?B?w7w=?=\r\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *text = NULL;
        size_t len;
        FILE *to = open_memstream(&text, &len);

        pnd_mail_put_subject(to, rows[i][0]);
        fclose(to);
        CHECK_STR(text, rows[i][1]);
        free(text);
    }
}

/* RFC 4231 has no dot in it: this one was made with openssl dgst. */
static void a_body_is_signed_with_its_time(void)
{
    char signature[PND_POST_SIGNATURE_CAP];

    CHECK_EQ(pnd_post_sign("key", 1700000000, "{}", 2, signature), PND_OK);
    CHECK_STR(signature, "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
}

int main(void)
{
    RUN(a_field_is_one_line_of_what_can_be_printed);
    RUN(a_template_knows_its_fields_and_says_which_it_does_not);
    RUN(what_a_field_says_stays_within_its_place);
    RUN(no_header_of_a_mail_comes_from_outside);
    RUN(a_subject_is_plain_or_encoded_words);
    RUN(a_body_is_signed_with_its_time);
    return tap_done();
}
