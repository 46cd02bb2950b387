/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's own headers only: messages are written and read in Swift, so nothing is linked.
   <netinet/in.h> must come first, or <linux/in.h> collides with Glibc's module. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* glibc has these, and hides them from Swift without _GNU_SOURCE (sched.h). */
int unshare(int flags);
int setns(int descriptor, int type);
