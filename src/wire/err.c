/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/err.h"

const char *pnd_err_text(int err)
{
    switch (err) {
    case PND_OK:
        return "ok";
    case PND_E_SHORT:
        return "too few bytes";
    case PND_E_LENGTH:
        return "a length does not agree with the bytes that are there";
    case PND_E_TYPE:
        return "unknown type, magic or version";
    case PND_E_NAME:
        return "unusable name";
    case PND_E_MODE:
        return "mode is not octet";
    case PND_E_RANGE:
        return "beyond the limit";
    case PND_E_FULL:
        return "table or buffer full";
    case PND_E_ARG:
        return "unusable argument";
    case PND_E_TIMEOUT:
        return "no answer in time";
    case PND_E_NOROUTE:
        return "no link-level address for the server or a router";
    case PND_E_REFUSED:
        return "refused by the peer";
    case PND_E_ABORTED:
        return "aborted";
    case PND_E_LINK:
        return "network interface failed";
    case PND_E_SOURCE:
        return "source cannot be read";
    case PND_E_SYS:
        return "system error";
    case PND_E_NOSPACE:
        return "no space";
    case PND_E_FORMAT:
        return "content contradicts itself";
    case PND_E_EXISTS:
        return "already exists";
    case PND_E_NOTFOUND:
        return "not found";
    case PND_E_BUSY:
        return "in use by another process";
    default:
        return "unknown error";
    }
}
