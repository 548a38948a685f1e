/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The file of a dump, also in parts. */
#ifndef PND_PANICWEB_DOWNLOAD_H
#define PND_PANICWEB_DOWNLOAD_H

#include "panicweb/web.h"

/* /dumps/ID/file */
enum MHD_Result pnd_download_file(struct pnd_request *request);

#endif
