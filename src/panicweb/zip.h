/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zip of a dump, made by "panicctl pack" while it is sent. */
#ifndef PND_PANICWEB_ZIP_H
#define PND_PANICWEB_ZIP_H

#include "panicweb/web.h"

/* /dumps/ID/zip */
enum MHD_Result pnd_zip_send(struct pnd_request *request);

#endif
