/* Makes the system calls that it is told of on standard input, one a line: a name, the call's number and up to five
 * arguments, numbers or `"text`. Prints each name with the error number, 0 for success. Two calls that need a
 * structure or several steps have names of their own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects to an abstract socket. */
static long knock(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length);
}

/* Leaves the root by the working directory, which chroot(2) does not change, and looks for a path there. */
static long climb(const char *path) {
    if (mkdir("/jail", 0700) || chroot("/jail")) return -1;
    for (int i = 0; i < 64; i++) {
        if (chdir("..")) return -1;
    }
    return chroot(".") ? -1 : access(path, F_OK);
}

int main(void) {
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *name = strtok(line, " "), *call = strtok(NULL, " "), *word;
        long arguments[6] = {0};
        for (int i = 0; i < 5 && (word = strtok(NULL, " ")); i++) {
            arguments[i] = *word == '"' ? (long)(word + 1) : strtol(word, NULL, 0);
        }
        long result;
        errno = 0;
        if (!strcmp(call, "knock")) result = knock((char *)arguments[0]);
        else if (!strcmp(call, "climb")) result = climb((char *)arguments[0]);
        else result = syscall(atol(call), arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
        printf("%s %d\n", name, result == -1 ? errno : 0);
    }
    return 0;
}
