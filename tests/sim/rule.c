/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rules of rule.h. */
#include "sim/rule.h"

#include <string.h>

struct turn {
    enum rule_call call;
    const struct pnd_kdp_rx *before, *after;
    const uint8_t *dgram;
    size_t len;
    const struct pnd_actions *actions;
    bool parsed;
    struct pnd_kdp_packet packet;
};

static const struct pnd_action *find(const struct turn *turn, enum pnd_action_kind kind)
{
    for (unsigned i = 0; i < turn->actions->count; i++)
        if (turn->actions->at[i].kind == kind)
            return &turn->actions->at[i];
    return NULL;
}

/* DATA, SEEK or EOF with the number that the session waits for, while it waits for one. */
static bool is_expected(const struct turn *turn)
{
    return turn->parsed && turn->packet.block == turn->before->expected &&
           (turn->before->phase == PND_RX_ASKED || turn->before->phase == PND_RX_LIVE) &&
           (turn->packet.op == PND_KDP_DATA || turn->packet.op == PND_KDP_SEEK ||
            turn->packet.op == PND_KDP_EOF);
}

static bool moved(const struct turn *turn)
{
    return turn->before->expected != turn->after->expected ||
           turn->before->position != turn->after->position ||
           turn->before->bytes != turn->after->bytes;
}

static const char *check_error(const struct turn *turn, const struct pnd_action *reply,
                               const struct pnd_kdp_packet *error)
{
    bool opening = turn->call == RULE_DATAGRAM && turn->before->phase == PND_RX_NEW &&
                   turn->after->phase == PND_RX_NEW && !turn->parsed && turn->len >= 2 &&
                   turn->dgram[0] == 0 && turn->dgram[1] == PND_KDP_WRQ;

    if (error->code > PND_KDP_E_NOUSER)
        return "an ERROR has a code from 0 to 7";
    if (error->data_len < 2 || reply->data[reply->len - 1] != 0)
        return "an ERROR has a text and its NUL";
    if (!opening && turn->after->phase != PND_RX_FAILED)
        return "an ERROR is for a failed dump or a WRQ that is none";
    if (turn->after->phase == PND_RX_FAILED && error->code != (uint32_t)turn->after->error)
        return "a failed dump answers with its own error";
    return NULL;
}

/* The ACKs that Apple's client cannot take for something else. */
static const char *check_ack(const struct turn *turn, const struct pnd_kdp_packet *ack)
{
    const struct pnd_kdp_rx *before = turn->before, *after = turn->after;
    const struct pnd_kdp_packet *packet = &turn->packet;

    if (turn->call == RULE_REFUSE_WRITE)
        return "what was not written is not acknowledged";
    if (turn->call == RULE_FINISHED)
        return before->phase == PND_RX_FINISHING && after->phase == PND_RX_DONE &&
                       ack->block == before->expected && ack->features == 0
                   ? NULL
                   : "the final ACK has the number of the EOF";
    if (turn->call == RULE_TICK)
        return !ack->features && !moved(turn) && before->phase == after->phase &&
                       ((before->phase == PND_RX_LIVE && ack->block == before->expected - 1) ||
                        (before->phase == PND_RX_DONE && ack->block == before->expected))
                   ? NULL
                   : "time says nothing but the last ACK of a live dump, or a final one it held";
    if (!turn->parsed)
        return "what is no packet draws no ACK";
    if (packet->op == PND_KDP_WRQ)
        return ack->block == 0 && ack->features == after->features && after->phase == PND_RX_ASKED
                   ? NULL
                   : "a WRQ draws ACK 0 with the granted features";
    if (ack->features || ack->block != packet->block)
        return "an ACK has the number of the packet that drew it, and no features";
    if (is_expected(turn))
        return packet->op != PND_KDP_EOF && after->phase == PND_RX_LIVE &&
                       after->expected == ack->block + 1
                   ? NULL
                   : "a block is acknowledged as it is accepted, an EOF when it is durable";
    if (moved(turn))
        return "a repeated packet moves nothing";
    if (before->phase == PND_RX_LIVE && ack->block == before->expected - 1 &&
        (packet->op == PND_KDP_DATA || packet->op == PND_KDP_SEEK))
        return NULL;
    if (before->phase == PND_RX_DONE && packet->op == PND_KDP_EOF && ack->block == before->expected)
        return NULL;
    if (before->phase == PND_RX_ASKED && packet->op == PND_KDP_EOF && before->previous_eof &&
        ack->block == before->previous_eof)
        return NULL;
    return "only the block before, or the EOF of a finished dump, is answered again";
}

static const char *check_reply(const struct turn *turn, const struct pnd_action *reply)
{
    struct pnd_kdp_packet packet;

    if (pnd_kdp_parse(reply->data, reply->len, &packet) != PND_OK)
        return "a reply is a packet";
    if (packet.op == PND_KDP_ERROR)
        return check_error(turn, reply, &packet);
    if (packet.op != PND_KDP_ACK || reply->len != PND_KDP_ACK_BYTES)
        return "a reply is an ACK of six bytes or an ERROR";
    return check_ack(turn, &packet);
}

static const char *check_write(const struct turn *turn, const struct pnd_action *write)
{
    uint64_t max = turn->before->limits->dump_bytes_max;

    if (!is_expected(turn) || turn->packet.op != PND_KDP_DATA)
        return "only the expected DATA is written";
    if (write->len == 0 || write->len > turn->before->block_max ||
        write->len > turn->packet.data_len || write->data != turn->packet.data)
        return "a WRITE is the start of the DATA, no longer than was granted";
    if (write->offset != turn->before->position || write->len > max ||
        write->offset > max - write->len)
        return "a WRITE goes to the position, below the limit";
    if (turn->after->position != write->offset + write->len ||
        turn->after->end < turn->after->position)
        return "a WRITE moves the position behind itself";
    return NULL;
}

static const char *check_file_actions(const struct turn *turn)
{
    const struct pnd_action *write = find(turn, PND_ACT_WRITE), *size = find(turn, PND_ACT_SIZE);

    if (find(turn, PND_ACT_ADMIT) && !(turn->parsed && turn->packet.op == PND_KDP_WRQ))
        return "only a WRQ asks for admission";
    if (find(turn, PND_ACT_OPEN) && (!is_expected(turn) || turn->before->phase != PND_RX_ASKED))
        return "a file is made by block 1 alone";
    if (find(turn, PND_ACT_FINISH) &&
        (!is_expected(turn) || turn->packet.op != PND_KDP_EOF || find(turn, PND_ACT_REPLY) ||
         turn->after->phase != PND_RX_FINISHING))
        return "a dump is finished by the expected EOF alone, and not acknowledged yet";
    if (size && (!find(turn, PND_ACT_FINISH) || size->offset >= turn->before->end ||
                 size->offset != turn->after->end))
        return "a file is shortened at its end alone";
    if (find(turn, PND_ACT_ABANDON) &&
        (!find(turn, PND_ACT_ABANDON)->why ||
         (turn->before->phase != PND_RX_LIVE && turn->before->phase != PND_RX_FINISHING)))
        return "only a dump that has a file is abandoned, with a reason";
    return write ? check_write(turn, write) : NULL;
}

const char *rule_broken(enum rule_call call, const struct pnd_kdp_rx *before,
                        const struct pnd_kdp_rx *after, const uint8_t *dgram, size_t len,
                        const struct pnd_actions *actions)
{
    struct turn turn = {.call = call,
                        .before = before,
                        .after = after,
                        .dgram = dgram,
                        .len = len,
                        .actions = actions};
    const struct pnd_action *reply;

    if (actions->count > PND_ACTIONS_CAP)
        return "no more actions than there is room for";
    for (unsigned i = 1; i < actions->count; i++)
        if (actions->at[i - 1].kind >= actions->at[i].kind)
            return "each action comes once and in order, the REPLY last";
    turn.parsed = call == RULE_DATAGRAM && pnd_kdp_parse(dgram, len, &turn.packet) == PND_OK;
    if (call == RULE_DATAGRAM && moved(&turn) && !is_expected(&turn) && !find(&turn, PND_ACT_ADMIT))
        return "only the expected block moves a session";
    if (find(&turn, PND_ACT_RELEASE) && (call != RULE_TICK || find(&turn, PND_ACT_REPLY)))
        return "a slot is released by time alone, in silence";
    reply = find(&turn, PND_ACT_REPLY);
    if (check_file_actions(&turn))
        return check_file_actions(&turn);
    return reply ? check_reply(&turn, reply) : NULL;
}

static const char *watch_timed(struct rule_watch *watch, const struct pnd_kdp_rx *before,
                               uint64_t now_ms)
{
    const struct pnd_rx_limits *limits = before->limits;
    uint64_t distance_ms = now_ms - watch->said_ms;
    bool last_resort =
        limits->reack_ms && !watch->last_resort && now_ms >= watch->alive_ms + limits->reack_ms;

    if (before->stalled_ms || before->quit)
        return "time repeats no ACK to a sender that gave up, nor while the disk is full";
    if (watch->ahead)
        return "time repeats no ACK to a sender that may take it for success";
    watch->timed++;
    watch->timed_ms = now_ms;
    watch->clean = false;
    if (last_resort) {
        watch->last_resort = true;
        return NULL;
    }
    if (!limits->recover || watch->reorders)
        return "without recovery, or where packets overtake each other, time repeats an ACK once";
    if (++watch->rhythmic > 4 || watch->said >= 6)
        return "an ACK is said at most six times before it is repeated by rhythm, four times so";
    if (distance_ms < UINT64_C(2) << (watch->rhythmic > 2 ? watch->rhythmic - 2 : 0))
        return "repetitions are 2 ms apart, and from the third on twice as far as before";
    if ((double)distance_ms + 2 < watch->mean_ms || watch->mean_ms > 1000)
        return "no silence shorter than the sender's usual one";
    return NULL;
}

static const char *watch_said(struct rule_watch *watch, bool first, uint64_t now_ms)
{
    if (first && watch->before_ms && now_ms < watch->before_ms + 2)
        return "an ACK stays 2 ms behind repetitions of the one before";
    if (first)
        watch->owes = false;
    if (watch->said == 0)
        watch->first_ms = now_ms;
    watch->said++;
    watch->said_ms = now_ms;
    return NULL;
}

static void watch_accepted(struct rule_watch *watch, uint64_t now_ms)
{
    double gap_ms = (double)(now_ms - watch->first_ms);

    if (watch->clean)
        watch->mean_ms += ((gap_ms < 4000 ? gap_ms : 4000) - watch->mean_ms) / 8;
    watch->before_ms = watch->timed ? watch->timed_ms : 0;
    watch->alive_ms = now_ms;
    watch->said = watch->timed = watch->rhythmic = 0;
    watch->ahead = watch->last_resort = watch->restarted = false;
    watch->owes = true;
}

/* A packet while a dump is live. */
static const char *watch_packet(struct rule_watch *watch, const struct turn *turn, bool replies,
                                uint64_t now_ms)
{
    const struct pnd_kdp_packet *packet = &turn->packet;
    uint32_t behind = turn->before->expected - packet->block;
    size_t name_len = strnlen(turn->before->name, sizeof(turn->before->name));
    size_t junk_max = name_len < sizeof(turn->before->name) - 1 ? name_len + 2 : SIZE_MAX / 2;
    bool eof = packet->op == PND_KDP_EOF;

    if (packet->op != PND_KDP_DATA && packet->op != PND_KDP_SEEK && !eof)
        return NULL;
    if (packet->data_len > junk_max + (eof                          ? 0
                                       : packet->op == PND_KDP_SEEK ? 8
                                                                    : turn->before->block_max))
        return NULL; /* damaged, or not understood: it proves nothing */
    if (behind == 1 && !eof) {
        watch->alive_ms = now_ms;
        watch->clean = false;
        if (replies && watch->owes)
            return "an ACK that is held back is not said for a copy";
        if (replies && turn->before->limits->recover && !watch->ahead && !watch->reorders &&
            !watch->restarted && now_ms < watch->said_ms + 250)
            return "a copy so soon after its ACK is not answered, for time mends what was lost";
    } else if (behind) {
        watch->ahead |= eof || behind > UINT32_C(1) << 31;
        watch->reorders = true;
    }
    return NULL;
}

const char *rule_watched(struct rule_watch *watch, enum rule_call call,
                         const struct pnd_kdp_rx *before, const struct pnd_kdp_rx *after,
                         const uint8_t *dgram, size_t len, const struct pnd_actions *actions,
                         uint64_t now_ms)
{
    struct turn turn = {.call = call, .before = before, .after = after, .actions = actions};
    bool replies = find(&turn, PND_ACT_REPLY) != NULL, accepts, first;
    const char *broken = NULL;

    turn.parsed = call == RULE_DATAGRAM && pnd_kdp_parse(dgram, len, &turn.packet) == PND_OK;
    if (find(&turn, PND_ACT_ADMIT))
        *watch = (struct rule_watch){.alive_ms = now_ms};
    if (call == RULE_REFUSE_WRITE)
        watch->clean = false;
    if (after->phase == PND_RX_FAILED)
        return NULL;
    accepts = is_expected(&turn) && after->expected != before->expected;
    if (accepts || (before->phase == PND_RX_FINISHING && after->phase == PND_RX_DONE))
        watch_accepted(watch, now_ms);
    else if (turn.parsed && before->phase == PND_RX_LIVE)
        broken = watch_packet(watch, &turn, replies, now_ms);
    first = watch->owes;
    if (first && !replies && accepts && (!watch->before_ms || now_ms >= watch->before_ms + 2))
        return "an accepted block is acknowledged at once, unless its ACK has to stay behind";
    if (first && !replies && call == RULE_TICK && now_ms >= watch->before_ms + 2)
        return "an ACK that is held back is said in time";
    if (!replies || broken)
        return broken;
    watch->clean = watch->said == 0;
    if (call == RULE_TICK && !first && before->phase == PND_RX_LIVE)
        broken = watch_timed(watch, before, now_ms);
    return broken ? broken : watch_said(watch, first, now_ms);
}

void rule_watch_restart(struct rule_watch *watch, uint64_t now_ms)
{
    watch->owes = watch->clean = false;
    watch->restarted = true;
    watch->mean_ms = 0;
    watch->alive_ms = now_ms;
    if (watch->timed) /* it cannot know when, and takes no chances */
        watch->timed_ms = now_ms;
}
