/*
 * http_server.h
 *		A server that answers, or misbehaves, as the path asks.
 *
 * It is a child process with one poll loop, so that its descriptors and memory
 * are not counted as those of the test.  What the paths mean is the table in
 * http_server.c.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <sys/types.h>

/* Far more than the tests take.  Ends a test and its children. */
#define HTTP_MAX_SECONDS 120

#define HTTP_TOGETHER	4 /* requests that /together waits for */
#define HTTP_BOMB_SIZE	(16 * 1024 * 1024) /* of what /bomb is decoded to */
#define HTTP_LARGE_SIZE (1024 * 1024)	   /* of the body of /large */

/* Of the server that was started. */
extern int http_server_port;

/* Starts the server, which ends with this program. */
extern void http_server_start(void);

/* A listening socket on a free port of 127.0.0.1. */
extern int http_server_listen(int *port);

extern void http_server_stop_child(pid_t pid);

#endif /* HTTP_SERVER_H */
