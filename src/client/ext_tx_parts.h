/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of the sending session (ext_tx.c, ext_ack.c, ext_size.c) say to each other. */
#ifndef PND_CLIENT_EXT_TX_PARTS_H
#define PND_CLIENT_EXT_TX_PARTS_H

#include "client/ext_tx.h"

/* RFC 6298 (2.2), (2.3). */
void pnd_ext_tx_measure(struct pnd_ext_tx *tx, uint64_t rtt_us);

/* How long an answer is waited for. */
uint64_t pnd_ext_tx_patient_us(const struct pnd_ext_tx *tx);

/* A piece that is on its way will not arrive. @p guessed: only time says so */
void pnd_ext_tx_lose(struct pnd_ext_tx *tx, struct pnd_piece *piece, bool guessed);

/* How large the packets are. PROTOCOL.md#kdp-12.7 */
void pnd_ext_tx_size_init(struct pnd_ext_tx *tx, uint32_t dgram_max, uint64_t now_us);

/* Is it time for a PROBE? _probe: it is being sent; how large it is, in bytes of the datagram. */
bool pnd_ext_tx_probe_due(const struct pnd_ext_tx *tx, uint64_t now_us);
uint32_t pnd_ext_tx_probe(struct pnd_ext_tx *tx, uint64_t now_us);

/* The smallest PROBE goes out with the next output, to draw an answer. */
void pnd_ext_tx_ask_only(struct pnd_ext_tx *tx);

/* An ACK came; the largest PROBE that arrived since the last has @p probed bytes; 0: none. */
void pnd_ext_tx_probed(struct pnd_ext_tx *tx, uint32_t probed, uint64_t now_us);

/* @return how large the packets are, in bytes, that carry a piece now */
uint32_t pnd_ext_tx_packet_of(const struct pnd_ext_tx *tx, const struct pnd_piece *piece);

/* A piece has to be repeated again: _missed counts it if it is not among the smallest, and
 * something that left later was heard. _shrink: after enough of those in a row, packets become
 * smaller. */
void pnd_ext_tx_missed(struct pnd_ext_tx *tx, const struct pnd_piece *piece);
void pnd_ext_tx_shrink(struct pnd_ext_tx *tx, uint64_t now_us);

#endif
