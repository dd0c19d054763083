/* The connect loop in C, as bare as it can be: what the lab's loop is measured against.
 *
 * usage: connect_loop PORT TRIES same|new
 * Dials 127.0.0.1:PORT TRIES times, on one socket or on a new socket each time, and prints the seconds it took.
 * Every try must be refused; anything else ends it with a message and status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int give_up(const char *what)
{
    fprintf(stderr, "connect_loop: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: connect_loop PORT TRIES same|new\n");
        return 2;
    }
    long tries = atol(argv[2]);
    int renew = strcmp(argv[3], "new") == 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    double began = now();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    for (long i = 0; i < tries; i++) {
        if (fd < 0)
            return give_up("socket");
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno != ECONNREFUSED)
            return give_up("connect was not refused");
        if (renew) {
            close(fd);
            fd = socket(AF_INET, SOCK_STREAM, 0);
        }
    }
    printf("%.6f\n", now() - began);
    return 0;
}
