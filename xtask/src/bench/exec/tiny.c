/* The smallest program: an exec of it costs little more than an exec. */
void _start(void)
{
#if defined(__x86_64__)
	__asm__ volatile("syscall" : : "a"(231L), "D"(0L));
#elif defined(__aarch64__)
	register long x0 __asm__("x0") = 0;
	register long x8 __asm__("x8") = 94;
	__asm__ volatile("svc 0" : : "r"(x8), "r"(x0));
#else
#error "exit_group() for this processor, please"
#endif
	__builtin_unreachable();
}
