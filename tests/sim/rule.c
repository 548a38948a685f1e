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
           (turn->before->phase == PND_KDP_RX_ASKED || turn->before->phase == PND_KDP_RX_LIVE) &&
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
    bool opening = turn->call == RULE_DATAGRAM && turn->before->phase == PND_KDP_RX_NEW &&
                   turn->after->phase == PND_KDP_RX_NEW && !turn->parsed && turn->len >= 2 &&
                   turn->dgram[0] == 0 && turn->dgram[1] == PND_KDP_WRQ;

    if (error->code > PND_KDP_E_NOUSER)
        return "an ERROR has a code from 0 to 7";
    if (error->data_len < 2 || reply->data[reply->len - 1] != 0)
        return "an ERROR has a text and its NUL";
    if (!opening && turn->after->phase != PND_KDP_RX_FAILED)
        return "an ERROR is for a failed dump or a WRQ that is none";
    if (turn->after->phase == PND_KDP_RX_FAILED && error->code != (uint32_t)turn->after->error)
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
        return before->phase == PND_KDP_RX_FINISHING && after->phase == PND_KDP_RX_DONE &&
                       ack->block == before->expected && ack->features == 0
                   ? NULL
                   : "the final ACK has the number of the EOF";
    if (turn->call == RULE_TICK)
        return before->phase == PND_KDP_RX_LIVE && !before->reacked && after->reacked &&
                       ack->block == before->expected - 1 && ack->features == 0 && !moved(turn)
                   ? NULL
                   : "time repeats the last ACK of a live dump, once";
    if (!turn->parsed)
        return "what is no packet draws no ACK";
    if (packet->op == PND_KDP_WRQ)
        return ack->block == 0 && ack->features == after->features &&
                       after->phase == PND_KDP_RX_ASKED
                   ? NULL
                   : "a WRQ draws ACK 0 with the granted features";
    if (ack->features || ack->block != packet->block)
        return "an ACK has the number of the packet that drew it, and no features";
    if (is_expected(turn))
        return packet->op != PND_KDP_EOF && after->phase == PND_KDP_RX_LIVE &&
                       after->expected == ack->block + 1
                   ? NULL
                   : "a block is acknowledged as it is accepted, an EOF when it is durable";
    if (moved(turn))
        return "a repeated packet moves nothing";
    if (before->phase == PND_KDP_RX_LIVE && ack->block == before->expected - 1 &&
        (packet->op == PND_KDP_DATA || packet->op == PND_KDP_SEEK))
        return NULL;
    if (before->phase == PND_KDP_RX_DONE && packet->op == PND_KDP_EOF &&
        ack->block == before->expected)
        return NULL;
    if (before->phase == PND_KDP_RX_ASKED && packet->op == PND_KDP_EOF && before->previous_eof &&
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
    if (find(turn, PND_ACT_OPEN) && (!is_expected(turn) || turn->before->phase != PND_KDP_RX_ASKED))
        return "a file is made by block 1 alone";
    if (find(turn, PND_ACT_FINISH) &&
        (!is_expected(turn) || turn->packet.op != PND_KDP_EOF || find(turn, PND_ACT_REPLY) ||
         turn->after->phase != PND_KDP_RX_FINISHING))
        return "a dump is finished by the expected EOF alone, and not acknowledged yet";
    if (size && (!find(turn, PND_ACT_FINISH) || size->offset >= turn->before->end ||
                 size->offset != turn->after->end))
        return "a file is shortened at its end alone";
    if (find(turn, PND_ACT_ABANDON) &&
        (!find(turn, PND_ACT_ABANDON)->why ||
         (turn->before->phase != PND_KDP_RX_LIVE && turn->before->phase != PND_KDP_RX_FINISHING)))
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
