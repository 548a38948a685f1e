/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The beginning of greet.h. */
#include "client/greet.h"

#include <string.h>

enum {
    OPEN_RTO_US = 200000, /* policy may have to look at a disk before the answer */
    OPEN_TRIES = 4,       /* then the server may be another by now: the WRQ again */
    VAIN_MAX = 2,         /* rows of those: whatever granted it cannot do it */
};

static void launch(struct pnd_greet *greet, enum pnd_greet_phase phase, uint64_t rto_us)
{
    greet->phase = phase;
    greet->rto_us = rto_us;
    greet->transmissions = 0;
    greet->send_now = true;
}

/* @return false: it is empty or too long */
static bool copy_name(char ret[PND_KDP_NAME_CAP], const char *name)
{
    size_t len = 0;

    for (; len < PND_KDP_NAME_CAP - 1 && name[len]; len++)
        ret[len] = name[len];
    return len > 0 && !name[len];
}

int pnd_greet_init(struct pnd_greet *greet, const struct pnd_greet_config *config)
{
    memset(greet, 0, sizeof(*greet));
    greet->config = *config;
    if (!copy_name(greet->name, config->name) ||
        !copy_name(greet->open_name, config->open_name ? config->open_name : config->name))
        return PND_E_NAME;
    greet->config.name = greet->name;
    greet->config.open_name = greet->open_name;
    launch(greet, PND_GREET_ASK, config->rto_initial_us);
    return PND_OK;
}

static size_t name_len(const struct pnd_greet *greet)
{
    size_t len = 0;

    while (greet->open_name[len])
        len++;
    return len;
}

static int build(struct pnd_greet *greet)
{
    struct pnd_ext_open open = {
        .flags = greet->fresh ? PND_EXT_FRESH : 0,
        .dgram_max =
            (uint16_t)(greet->config.dgram_max < UINT16_MAX ? greet->config.dgram_max : UINT16_MAX),
        .name = greet->open_name,
        .name_len = name_len(greet),
    };

    if (greet->phase == PND_GREET_ASK)
        return pnd_kdp_build_wrq(greet->packet, sizeof(greet->packet), greet->name,
                                 PND_KDP_FEATURES | (greet->plain ? 0 : PND_EXT_FEATURE),
                                 greet->config.block_max);
    memcpy(open.cookie, greet->cookie, sizeof(open.cookie));
    memcpy(open.id, greet->config.id, sizeof(open.id));
    return pnd_ext_build_open(greet->packet, sizeof(greet->packet), &open);
}

/* An ACK 0: of a server that knows the extension, also when its cookie has become another. */
static bool take_ack(struct pnd_greet *greet, const struct pnd_kdp_packet *ack)
{
    const uint8_t *cookie;

    if (ack->block != 0)
        return false;
    if (greet->plain || !pnd_ext_granted(ack, &cookie)) {
        if (greet->phase != PND_GREET_ASK)
            return false;
        greet->phase = PND_GREET_PLAIN;
        return true;
    }
    if (greet->phase == PND_GREET_OPEN && memcmp(cookie, greet->cookie, sizeof(greet->cookie)) == 0)
        return false; /* a late copy */
    memcpy(greet->cookie, cookie, sizeof(greet->cookie));
    launch(greet, PND_GREET_OPEN, OPEN_RTO_US);
    return true;
}

static bool take_opened(struct pnd_greet *greet, const struct pnd_ext_opened *opened)
{
    if (greet->phase != PND_GREET_OPEN)
        return false;
    if (opened->offset && !greet->config.resume) {
        if (greet->fresh)
            return false; /* the answer to an OPEN from before */
        greet->fresh = true;
        launch(greet, PND_GREET_OPEN, OPEN_RTO_US);
        return true;
    }
    greet->opened = *opened;
    greet->phase = PND_GREET_OPENED;
    return true;
}

bool pnd_greet_datagram(struct pnd_greet *greet, const void *dgram, size_t len, uint64_t now_us)
{
    struct pnd_kdp_packet packet;
    struct pnd_ext_opened opened;
    bool first = greet->transmissions == 1, is_answer = false;

    if (greet->transmissions == 0 || greet->phase > PND_GREET_OPEN)
        return false;
    if (pnd_ext_parse_opened(dgram, len, &opened) == PND_OK) {
        is_answer = take_opened(greet, &opened);
    } else if (pnd_kdp_parse_answer(dgram, len, &packet) == PND_OK) {
        if (packet.op == PND_KDP_ERROR) {
            greet->phase = PND_GREET_PLAIN;
            is_answer = true;
        } else if (packet.op == PND_KDP_ACK) {
            is_answer = take_ack(greet, &packet);
        }
    }
    if (is_answer && first)
        greet->rtt_us = now_us > greet->first_us ? now_us - greet->first_us : 1;
    return is_answer;
}

void pnd_greet_tick(struct pnd_greet *greet, uint64_t now_us)
{
    if (greet->phase > PND_GREET_OPEN || greet->transmissions == 0 || greet->send_now)
        return;
    if (now_us - greet->asked_us >= greet->config.patience_us) {
        greet->phase = PND_GREET_TIMEOUT;
        return;
    }
    if (now_us - greet->last_us < greet->rto_us)
        return;
    greet->rto_us *= 2;
    if (greet->rto_us > greet->config.rto_max_us)
        greet->rto_us = greet->config.rto_max_us;
    greet->send_now = true;
    if (greet->phase == PND_GREET_OPEN && greet->transmissions >= OPEN_TRIES) {
        greet->plain = ++greet->vain >= VAIN_MAX;
        launch(greet, PND_GREET_ASK, greet->config.rto_initial_us);
    }
}

const uint8_t *pnd_greet_output(struct pnd_greet *greet, uint64_t now_us, size_t *ret_len)
{
    int len;

    if (!greet->send_now || greet->phase > PND_GREET_OPEN)
        return NULL;
    len = build(greet);
    if (len < 0)
        return NULL;
    greet->send_now = false;
    if (greet->packets++ == 0)
        greet->asked_us = now_us;
    if (greet->transmissions++ == 0)
        greet->first_us = now_us;
    else
        greet->retransmissions++;
    greet->last_us = now_us;
    *ret_len = (size_t)len;
    return greet->packet;
}

uint64_t pnd_greet_deadline_us(const struct pnd_greet *greet)
{
    uint64_t again_us = greet->last_us + greet->rto_us;
    uint64_t end_us = greet->asked_us + greet->config.patience_us;

    if (greet->phase > PND_GREET_OPEN)
        return UINT64_MAX;
    if (greet->send_now)
        return 0;
    return again_us < end_us ? again_us : end_us;
}
