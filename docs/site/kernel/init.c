/* The only program in the page's kernel: it is /init, and dials where the second serial port says.

   In, a line each:   dial PORT LOW HIGH TRIES     the loop, with LOW-HIGH as the kernel's ephemeral ports
                      say TEXT                     write it on the connection, read it there
                      stop                         end a loop
   Out, a line each:  ready RELEASE                it waits for a line
                      ports P P P ...              the source ports of tries that were refused, in order
                      connected TRIES OWN PEER     connect() returned 0; the names of both ends
                      gave-up TRIES WHY            the loop ended without
                      heard TEXT

   It is process 1, so it never ends. Nothing outside can be reached: the kernel has no network device but lo. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

enum { LINE = 512, AT_ONCE = 64, WAIT_MS = 2000 };

static int wire; /* the second serial port */
static int sock = -1;

static void say(const char *format, const char *text)
{
    dprintf(wire, format, text);
}

/* A line from the page, without its end; 0 if none came within the time (-1: wait for ever). */
static int line(char *text, int milliseconds)
{
    static char held[LINE];
    static size_t length;
    for (;;) {
        char *end = memchr(held, '\n', length);
        if (end) {
            size_t taken = end + 1 - held;
            memcpy(text, held, taken);
            text[taken - 1] = 0;
            memmove(held, end + 1, length -= taken);
            return 1;
        }
        struct pollfd ready = {wire, POLLIN, 0};
        if (length == sizeof held)
            length = 0; /* no line of ours is so long */
        if (poll(&ready, 1, milliseconds) <= 0)
            return 0;
        ssize_t more = read(wire, held + length, sizeof held - length);
        if (more > 0)
            length += more;
    }
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int name(int (*which)(int, struct sockaddr *, socklen_t *), char *text)
{
    struct sockaddr_in found;
    socklen_t size = sizeof found;
    if (which(sock, (struct sockaddr *)&found, &size))
        return 0;
    sprintf(text, "%s:%d", inet_ntoa(found.sin_addr), ntohs(found.sin_port));
    return ntohs(found.sin_port);
}

static int set_range(int low, int high)
{
    int file = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY);
    int done = file >= 0 && dprintf(file, "%d %d\n", low, high) > 0;
    close(file);
    return done;
}

/* A connection with itself ends by a reset: closed in order it would hold its port for a minute of TIME-WAIT. */
static void forget(void)
{
    struct linger at_once = {1, 0};
    if (sock < 0)
        return;
    setsockopt(sock, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(sock);
    sock = -1;
}

static void dial(int port, int low, int high, long most)
{
    struct sockaddr_in target = loopback(port);
    char own[32], peer[32], order[LINE], ports[LINE] = "";
    const char *why = "tries";
    long tries = 0;

    forget();
    if (!set_range(low, high)) {
        say("gave-up 0 the kernel refuses this range: %s\n", strerror(errno));
        return;
    }
    sock = socket(AF_INET, SOCK_STREAM, 0);
    while (tries < most) {
        int refused = connect(sock, (struct sockaddr *)&target, sizeof target);
        int reason = errno;
        ++tries;
        if (!refused) {
            name(getsockname, own);
            name(getpeername, peer);
            dprintf(wire, "ports%s\nconnected %ld %s %s\n", ports, tries, own, peer);
            return;
        }
        if (reason != ECONNREFUSED) {
            why = strerror(reason);
            break;
        }
        sprintf(ports + strlen(ports), " %d", name(getsockname, own));
        if (tries % AT_ONCE == 0) {
            say("ports%s\n", ports);
            *ports = 0;
            if (line(order, 0) && !strcmp(order, "stop")) {
                why = "stopped";
                break;
            }
        }
    }
    dprintf(wire, "ports%s\ngave-up %ld %s\n", ports, tries, why);
    forget();
}

static void talk(const char *text)
{
    char heard[LINE];
    size_t length = strlen(text), got = 0;
    struct timeval patience = {WAIT_MS / 1000, 0};

    if (sock < 0 || write(sock, text, length) != (ssize_t)length) {
        say("gave-up 0 %s\n", "there is no connection");
        return;
    }
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (got < length) {
        ssize_t more = read(sock, heard + got, length - got);
        if (more <= 0)
            break;
        got += more;
    }
    heard[got] = 0;
    say("heard %s\n", heard);
}

static void set_up(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    struct termios raw;
    struct utsname kernel;
    int any = socket(AF_INET, SOCK_DGRAM, 0);

    mount("proc", "/proc", "proc", 0, "");
    mount("dev", "/dev", "devtmpfs", 0, "");
    ioctl(any, SIOCSIFFLAGS, &lo);
    close(any);
    wire = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
    tcgetattr(wire, &raw);
    cfmakeraw(&raw);
    tcsetattr(wire, TCSANOW, &raw);
    uname(&kernel);
    say("ready %s\n", kernel.release);
}

int main(void)
{
    char order[LINE];
    int port, low, high;
    long most;

    for (set_up();;) {
        line(order, -1);
        if (sscanf(order, "dial %d %d %d %ld", &port, &low, &high, &most) == 4)
            dial(port, low, high, most);
        else if (!strncmp(order, "say ", 4))
            talk(order + 4);
    }
}
