/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The results of every call in panicd: PND_OK or one of these, all negative.
 * Freestanding; includes nothing. */
#ifndef PANICD_ERR_H
#define PANICD_ERR_H

enum pnd_err {
    PND_OK = 0,
    PND_E_SHORT = -1,     /* fewer bytes than the format needs */
    PND_E_LENGTH = -2,    /* a length field disagrees with the bytes that are there */
    PND_E_TYPE = -3,      /* an opcode, magic or version that is not known here */
    PND_E_NAME = -4,      /* a name without its NUL, or one that may not be used */
    PND_E_MODE = -5,      /* a WRQ whose mode is not "octet" */
    PND_E_RANGE = -6,     /* an offset or size above the stated limit */
    PND_E_FULL = -7,      /* a fixed table or buffer has no room left */
    PND_E_ARG = -8,       /* the caller's argument is not usable */
    PND_E_TIMEOUT = -9,   /* the peer did not answer in the stated time */
    PND_E_NOROUTE = -10,  /* no link-level address for the server, router or gateway */
    PND_E_REFUSED = -11,  /* the peer answered with an ERROR packet */
    PND_E_ABORTED = -12,  /* the caller, or a signal, ended the work */
    PND_E_LINK = -13,     /* the network interface cannot send or receive */
    PND_E_SOURCE = -14,   /* the source of the dump cannot be read */
    PND_E_SYS = -15,      /* the operating system said no; errno tells why */
    PND_E_NOSPACE = -16,  /* no room on the disk, or below the floor that must stay free */
    PND_E_FORMAT = -17,   /* the content contradicts itself */
    PND_E_EXISTS = -18,   /* the name is taken */
    PND_E_NOTFOUND = -19, /* no such dump, file or entry */
    PND_E_BUSY = -20,     /* somebody else holds the lock */
};

/* A short English phrase for @p err, without a full stop; never NULL. */
const char *pnd_err_text(int err);

#endif
