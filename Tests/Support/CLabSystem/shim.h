/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the lab needs of Linux that the Glibc module leaves out. */
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <linux/errqueue.h>

extern char **environ;
extern int setns(int descriptor, int type);
extern int accept4(int listener, struct sockaddr *peer, socklen_t *length, int flags);
extern int pipe2(int ends[2], int flags);
extern int mkostemp(char *template, int flags);

/* Moves the calling thread, and only it, into a network namespace. */
static inline int lab_enter_network_namespace(int descriptor) {
    return setns(descriptor, 0x40000000 /* CLONE_NEWNET */);
}

static inline char *const *lab_environment(void) { return environ; }

/* epoll without its union: operation is EPOLL_CTL_ADD or EPOLL_CTL_DEL. */
static inline int lab_poll_control(
    int poller, int operation, int descriptor, uint32_t interest, uint64_t tag) {
    struct epoll_event event = {.events = interest, .data = {.u64 = tag}};
    return epoll_ctl(poller, operation, descriptor, &event);
}

/* At most 256 events; their tags and states. */
static inline int lab_poll_wait(int poller, uint64_t *tags, uint32_t *states, int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, milliseconds);
    for (int i = 0; i < count; i++) {
        tags[i] = events[i].data.u64;
        states[i] = events[i].events;
    }
    return count;
}

/* The ICMP error that waits on a socket's error queue: origin << 16 | type << 8 | code; -1 if none. */
static inline int32_t lab_take_icmp_error(int descriptor) {
    char data[256], control[512];
    struct iovec vector = {data, sizeof data};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6)
                return error.ee_origin << 16 | error.ee_type << 8 | error.ee_code;
        }
    }
    return -1;
}

/* Sends one datagram back from the address that it was sent to; -1 with errno when there is none. */
static inline long lab_echo_datagram(int descriptor) {
    char data[2048], control[256];
    struct sockaddr_storage peer;
    struct iovec vector = {data, sizeof data};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = &peer;
    message.msg_namelen = sizeof peer;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    long length = recvmsg(descriptor, &message, MSG_DONTWAIT);
    if (length < 0) return -1;
    vector.iov_len = (size_t)length;
    message.msg_flags = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memset(CMSG_DATA(c) + 16, 0, sizeof(int)); /* route by address, not by interface */
    }
    (void)sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return length;
}
