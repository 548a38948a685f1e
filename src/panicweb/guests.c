/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who is connected, and since when it has been about to ask; see guests.h. */
#include "panicweb/guests.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "host/clock.h"

enum { GUESTS_MAX = PND_WEB_CONNECTIONS_MAX };

struct guest {
    int fd;        /* -1: unused */
    bool answered; /* a request is being answered: it takes as long as it takes */
    uint64_t since_ms;
};

struct pnd_guests {
    pthread_mutex_t lock; /* a connection's socket is closed only after it has left */
    struct guest at[GUESTS_MAX];
};

int pnd_guests_create(struct pnd_guests **ret, struct pnd_why *why)
{
    struct pnd_guests *guests = calloc(1, sizeof(*guests));

    if (!guests)
        return pnd_why(why, PND_E_SYS, ENOMEM, "know the connections");
    pthread_mutex_init(&guests->lock, NULL);
    for (unsigned i = 0; i < GUESTS_MAX; i++)
        guests->at[i].fd = -1;
    *ret = guests;
    return PND_OK;
}

void pnd_guests_destroy(struct pnd_guests *guests)
{
    if (!guests)
        return;
    pthread_mutex_destroy(&guests->lock);
    free(guests);
}

/* With the lock. */
static struct guest *find(struct pnd_guests *guests, int fd)
{
    for (unsigned i = 0; i < GUESTS_MAX; i++)
        if (guests->at[i].fd == fd)
            return &guests->at[i];
    return NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

void pnd_guests_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code)
{
    struct pnd_guests *guests = cls;
    struct guest *guest = *socket_context;

    pthread_mutex_lock(&guests->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        guest = find(guests, -1);
        if (guest)
            *guest = (struct guest){.fd = fd_of(connection), .since_ms = pnd_clock_ms()};
        *socket_context = guest;
    } else if (guest) {
        guest->fd = -1;
    }
    pthread_mutex_unlock(&guests->lock);
}

static struct guest *guest_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void set(struct pnd_guests *guests, struct MHD_Connection *connection, bool answered)
{
    struct guest *guest = guest_of(connection);

    if (!guest)
        return;
    pthread_mutex_lock(&guests->lock);
    guest->answered = answered;
    guest->since_ms = pnd_clock_ms();
    pthread_mutex_unlock(&guests->lock);
}

void pnd_guests_asked(struct pnd_guests *guests, struct MHD_Connection *connection)
{
    set(guests, connection, true);
}

void pnd_guests_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                          enum MHD_RequestTerminationCode code)
{
    (void)con_cls;
    (void)code;
    set(cls, connection, false);
}

void pnd_guests_look(struct pnd_guests *guests, uint64_t now_ms)
{
    pthread_mutex_lock(&guests->lock);
    for (unsigned i = 0; i < GUESTS_MAX; i++) {
        struct guest *guest = &guests->at[i];

        if (guest->fd >= 0 && !guest->answered &&
            now_ms > guest->since_ms + PND_WEB_HEADERS_S * UINT64_C(1000))
            shutdown(guest->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&guests->lock);
}
