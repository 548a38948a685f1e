/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How panicd starts panicd-messenger: "panicd-messenger CONFIG DIRECTORY SINCE", with a connection
 * of the control socket (panicd/control.h) at this descriptor, on which it is told of events. SINCE
 * is when somebody was to be told, in ms since 1970: what had been received before was there
 * already, when this is the first messenger of the directory. */
#ifndef PND_MESSAGE_CONNECTION_H
#define PND_MESSAGE_CONNECTION_H

enum { PND_MESSENGER_FD = 3 };

#endif
