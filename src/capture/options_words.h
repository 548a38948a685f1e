/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The words that stand for a choice, by its number: for the reader and the writer of options. */
#ifndef PND_CAPTURE_OPTIONS_WORDS_H
#define PND_CAPTURE_OPTIONS_WORDS_H

#define PND_AFTER_COUNT   5
#define PND_PACKING_COUNT 4

extern const char *const pnd_after_words[PND_AFTER_COUNT];     /* by enum pnd_after */
extern const char *const pnd_packing_words[PND_PACKING_COUNT]; /* by enum pnd_capture_packing */

#endif
