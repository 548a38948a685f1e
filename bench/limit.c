/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The limit that transfers are held against: a file over UDP with nothing around it. No header, no
 * loss handling, no checksum of its own; a credit from the receiver keeps its socket from being
 * overrun. Segments of one packet's size by GSO and GRO, many of them for a system call, the file
 * written in large aligned pieces. A packet that is lost ends it with an error: such a run is no
 * figure. "bench-limit --help" says the options. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    SEGMENT = 1472,    /* what an IPv4 packet of 1500 bytes takes */
    GSO_SEGMENTS = 44, /* 44 * 1472 is the most below 65507, the largest datagram */
    SLOTS_CAP = 704,
    SENDS = 4,       /* of the largest datagrams, by one call */
    PIECE = 1 << 20, /* of the file, written at a time */
    PIECES = 8,
    PAGE = 4096,
    SILENCE_MS = 5000,
    AGAIN_MS = 100,
    SOCKET_BYTES = 256 << 20,
    CREDIT_BYTES = 128 << 10,
    WINDOW_MIN = 1 << 20, /* a batch on its way, and one that is not credited yet */
    ADIEUS = 3,
};

/* Both ways, in the machine's own byte order: both ends are on one machine. */
struct word {
    uint64_t magic, bytes, done;
};

static const uint64_t magic = UINT64_C(0x6c696d6974212121);
static bool plain, disk;
static uint64_t window = 4 << 20;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-limit: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(EXIT_FAILURE);
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = SOCKET_BYTES;

    if (fd < 0)
        die("UDP socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    return fd;
}

/* Waits until there is something to read. */
static bool heard(int fd, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, ms) > 0;
}

/* ---- the file that is written: pieces go to a thread when it is on a disk ---- */

struct piece {
    uint8_t *at;
    size_t len;
    uint64_t offset;
};

static struct {
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct piece queue[PIECES];
    unsigned first, count; /* the first is being written */
    bool failed;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool write_piece(const struct piece *piece)
{
    size_t done = 0;

    if (piece->len % PAGE) /* only the last: O_DIRECT does not take it */
        fcntl(out.fd, F_SETFL, fcntl(out.fd, F_GETFL) & ~O_DIRECT);
    while (done < piece->len) {
        ssize_t n =
            pwrite(out.fd, piece->at + done, piece->len - done, (off_t)(piece->offset + done));

        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static void *write_queue(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&out.lock);
    for (;;) {
        struct piece piece;
        bool good;

        while (out.count == 0)
            pthread_cond_wait(&out.changed, &out.lock);
        piece = out.queue[out.first];
        pthread_mutex_unlock(&out.lock);
        good = write_piece(&piece);
        pthread_mutex_lock(&out.lock);
        out.failed |= !good;
        out.first = (out.first + 1) % PIECES;
        out.count--;
        pthread_cond_broadcast(&out.changed);
    }
    return NULL;
}

/* @param leave  pieces that may still be in the queue on return */
static void wait_queue(unsigned leave)
{
    pthread_mutex_lock(&out.lock);
    while (out.count > leave)
        pthread_cond_wait(&out.changed, &out.lock);
    pthread_mutex_unlock(&out.lock);
    if (out.failed)
        die("write the file");
}

static void put(uint8_t *at, size_t len, uint64_t offset)
{
    struct piece piece = {.at = at, .len = len, .offset = offset};

    if (!disk) {
        if (!write_piece(&piece))
            die("write the file");
        return;
    }
    /* One buffer is being filled, so that the queue never holds all of them. */
    wait_queue(PIECES - 2);
    pthread_mutex_lock(&out.lock);
    out.queue[(out.first + out.count++) % PIECES] = piece;
    pthread_cond_broadcast(&out.changed);
    pthread_mutex_unlock(&out.lock);
}

static void open_file(const char *path, uint64_t size)
{
    pthread_t thread;

    out.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (disk ? O_DIRECT : 0), 0600);
    if (out.fd < 0)
        die(path);
    if (disk && ((size && posix_fallocate(out.fd, 0, (off_t)size)) ||
                 pthread_create(&thread, NULL, write_queue, NULL)))
        die("prepare the file");
}

/* ---- receive ---- */

/* Datagrams go one behind the other into @p at, @p stride bytes for each; what is shorter leaves a
 * gap, which is closed. @return bytes; 0 nothing came in time */
static size_t receive(int fd, uint8_t *at, size_t room)
{
    static struct mmsghdr messages[SLOTS_CAP];
    static struct iovec vectors[SLOTS_CAP];
    size_t stride = plain ? SEGMENT : (size_t)SEGMENT * GSO_SEGMENTS, len = 0;
    unsigned slots = (unsigned)(room / stride);
    int n;

    slots = slots < SLOTS_CAP ? slots : SLOTS_CAP;
    for (unsigned i = 0; i < slots; i++) {
        vectors[i] = (struct iovec){.iov_base = at + i * stride, .iov_len = stride};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    n = recvmmsg(fd, messages, slots, MSG_WAITFORONE, NULL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        die("receive");
    for (int i = 0; i < n; i++) {
        if (len != (size_t)i * stride)
            memmove(at + len, at + (size_t)i * stride, messages[i].msg_len);
        len += messages[i].msg_len;
    }
    return len;
}

static void say(int fd, const struct sockaddr_in *to, uint64_t bytes, bool done)
{
    struct word word = {.magic = magic, .bytes = bytes, .done = done};

    sendto(fd, &word, sizeof(word), 0, (const struct sockaddr *)to, sizeof(*to));
}

static uint64_t meet_sender(int fd, struct sockaddr_in *from)
{
    struct word word;
    socklen_t len;

    do
        len = sizeof(*from);
    while (recvfrom(fd, &word, sizeof(word), 0, (struct sockaddr *)from, &len) != sizeof(word) ||
           word.magic != magic);
    return word.bytes;
}

/* Its hello may have come twice, so that what stands in front of the file is looked at. */
static size_t without_hellos(uint8_t *at, size_t len)
{
    struct word word;

    while (len >= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (word.magic != magic)
            break;
        len -= sizeof(word);
        memmove(at, at + sizeof(word), len);
    }
    return len;
}

static void run_receiver(int fd, const char *path)
{
    size_t room = PIECE + (size_t)SEGMENT * GSO_SEGMENTS + PAGE, have = 0, turn = 0;
    struct timeval silence = {.tv_sec = SILENCE_MS / 1000};
    uint64_t size, got = 0, written = 0, said = 0;
    struct sockaddr_in from;
    uint8_t *memory, *buffer;

    room = (room + PAGE - 1) / PAGE * PAGE;
    memory = mmap(NULL, room * PIECES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        die("memory");
    buffer = memory;
    size = meet_sender(fd, &from);
    open_file(path, size);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    say(fd, &from, 0, size == 0);
    while (got < size) {
        size_t n = receive(fd, buffer + have, room - have);

        if (n == 0) {
            errno = 0;
            die("the sender has fallen silent, or packets were dropped");
        }
        if (got == 0)
            n = without_hellos(buffer, n);
        have += n;
        got += n;
        if (have >= PIECE || got >= size) {
            size_t whole = got >= size ? have : have / PAGE * PAGE;
            uint8_t *next = disk ? memory + (++turn % PIECES) * room : buffer;

            put(buffer, whole, written);
            written += whole;
            have -= whole;
            memmove(next, buffer + whole, have);
            buffer = next;
        }
        if (got - said >= CREDIT_BYTES && got < size) {
            say(fd, &from, got, false);
            said = got;
        }
    }
    wait_queue(0);
    if (disk && fsync(out.fd) < 0)
        die("fsync");
    for (unsigned i = 0; i < ADIEUS; i++)
        say(fd, &from, got, true);
}

/* ---- send ---- */

/* Many datagrams of @p len bytes in all, by one call. */
static void transmit(int fd, uint8_t *at, size_t len)
{
    static struct mmsghdr messages[SLOTS_CAP];
    static struct iovec vectors[SLOTS_CAP];
    size_t stride = plain ? SEGMENT : (size_t)SEGMENT * GSO_SEGMENTS;
    unsigned count = 0, sent = 0;

    for (size_t done = 0; done < len; done += vectors[count++].iov_len) {
        size_t part = len - done < stride ? len - done : stride;

        vectors[count] = (struct iovec){.iov_base = at + done, .iov_len = part};
        messages[count].msg_hdr = (struct msghdr){.msg_iov = &vectors[count], .msg_iovlen = 1};
    }
    while (sent < count) {
        int n = sendmmsg(fd, messages + sent, count - sent, 0);

        if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
            die("send");
        if (n > 0)
            sent += (unsigned)n;
    }
}

/* @return what the receiver has by its own word; @p done is set when all is in its file */
static uint64_t credit(int fd, int wait_ms, uint64_t before, bool *done)
{
    struct word word;

    if (wait_ms && !heard(fd, wait_ms))
        return before;
    while (recv(fd, &word, sizeof(word), MSG_DONTWAIT) == sizeof(word) && word.magic == magic) {
        before = word.bytes > before ? word.bytes : before;
        *done |= word.done;
    }
    return before;
}

static void meet_receiver(int fd, uint64_t size, bool *done)
{
    struct word hello = {.magic = magic, .bytes = size}, answer;

    for (unsigned i = 0; i < SILENCE_MS / AGAIN_MS; i++) {
        send(fd, &hello, sizeof(hello), 0);
        if (heard(fd, AGAIN_MS) && recv(fd, &answer, sizeof(answer), 0) == sizeof(answer)) {
            *done = answer.done;
            return;
        }
    }
    errno = ETIMEDOUT;
    die("no receiver answers");
}

static void run_sender(int fd, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC), segment = SEGMENT;
    static uint8_t buffer[SEGMENT * GSO_SEGMENTS * SENDS];
    uint64_t sent = 0, credited = 0;
    bool done = false;
    struct stat st;

    if (file < 0 || fstat(file, &st) < 0)
        die(path);
    meet_receiver(fd, (uint64_t)st.st_size, &done);
    if (!plain && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
        die("UDP_SEGMENT");
    while (sent < (uint64_t)st.st_size) {
        ssize_t n = read(file, buffer, sizeof(buffer));

        if (n <= 0)
            die(path);
        credited = credit(fd, 0, credited, &done);
        while (sent + (uint64_t)n - credited > window) {
            uint64_t before = credited;

            credited = credit(fd, SILENCE_MS, credited, &done);
            errno = 0;
            if (credited == before)
                die("the receiver has fallen silent, or packets were dropped");
        }
        transmit(fd, buffer, (size_t)n);
        sent += (uint64_t)n;
    }
    while (!done) {
        if (!heard(fd, SILENCE_MS * 4)) {
            errno = 0;
            die("the receiver has not said that it has the file");
        }
        credited = credit(fd, 0, credited, &done);
    }
}

static void usage(FILE *to)
{
    fputs("usage: bench-limit receive [--plain] [--disk] PORT FILE\n"
          "       bench-limit send [--plain] [--window BYTES] ADDRESS PORT FILE\n\n"
          "  --plain         without GSO and GRO: a datagram is a packet\n"
          "  --disk          O_DIRECT by a thread of its own, and fsync before the end\n"
          "  --window BYTES  that may be on their way (4194304)\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"plain", no_argument, NULL, 'p'},
                                            {"disk", no_argument, NULL, 'd'},
                                            {"window", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int option, fd, on = 1;
    bool sending;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        plain |= option == 'p';
        disk |= option == 'd';
        if (option == 'w')
            window = strtoull(optarg, NULL, 10);
        window = window > WINDOW_MIN ? window : WINDOW_MIN;
        if (option == 'h' || option == '?') {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    argc -= optind;
    argv += optind;
    sending = argc == 4 && strcmp(argv[0], "send") == 0;
    if ((!sending && (argc != 3 || strcmp(argv[0], "receive") != 0)) ||
        (sending && inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    address.sin_port = htons((uint16_t)strtoul(argv[argc - 2], NULL, 10));
    fd = open_socket();
    if (sending) {
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            die("connect");
        run_sender(fd, argv[3]);
    } else {
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            (!plain && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0))
            die("bind");
        run_receiver(fd, argv[2]);
    }
    return EXIT_SUCCESS;
}
