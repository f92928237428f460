/*
 * storm PROGRAM WORKERS COUNT ARGUMENTS LENGTH: execs PROGRAM COUNT times in each of WORKERS processes, one after the
 * other, as fast as that goes.
 *
 * argv of each: PROGRAM, an id ("w1e00000042"), and ARGUMENTS arguments of LENGTH bytes each (the last digits of the
 * running number of every 7 bytes, so that no two parts of an argv are the same). Each number fits its 6 digits.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int work(const char *program, int worker, long count, long arguments, long length)
{
	char id[32], *none[] = {NULL}, **argv = calloc(arguments + 3, sizeof *argv);
	long block = 0;

	argv[0] = (char *)program;
	argv[1] = id;
	for (long n = 0; n < arguments; n++) {
		char *to = argv[n + 2] = malloc(length + 8);
		for (long at = 0; at < length; at += 7)
			sprintf(to + at, "%06ld.", block++ % 1000000);
		to[length] = 0;
	}
	for (long n = 0; n < count; n++) {
		pid_t pid;
		int status;

		sprintf(id, "w%de%08ld", worker, n);
		if (posix_spawn(&pid, program, NULL, NULL, argv, none) || waitpid(pid, &status, 0) != pid || status)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	int workers = atoi(argv[2]), failed = 0, status;

	for (int n = 0; n < workers; n++)
		if (fork() == 0)
			_exit(work(argv[1], n, atol(argv[3]), atol(argv[4]), atol(argv[5])));
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}
