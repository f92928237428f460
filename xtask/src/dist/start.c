/* Where the program begins, before musl's own start: applies the relative relocations that lld has packed to a bitmap (DT_RELR),
 * which take a seventieth of the room of the usual ones. musl knows them since 1.2.4 only; it finds none left.
 *
 * Nothing here may need a relocation itself. */
#include <link.h>
#include <stdint.h>

#define TAG_RELRSZ 35
#define TAG_RELR 36

extern __attribute__((visibility("hidden"))) ElfW(Dyn) _DYNAMIC[];
/* The program is linked for address 0. */
extern __attribute__((visibility("hidden"))) const char __ehdr_start[];

__attribute__((visibility("hidden"))) void apply_packed_relocations(void) {
    uintptr_t base = (uintptr_t)__ehdr_start;
    const uintptr_t *entry = 0;
    uintptr_t size = 0;
    for (ElfW(Dyn) *dynamic = _DYNAMIC; dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == TAG_RELR) {
            entry = (const uintptr_t *)(base + dynamic->d_un.d_ptr);
        } else if (dynamic->d_tag == TAG_RELRSZ) {
            size = dynamic->d_un.d_val;
            dynamic->d_un.d_val = 0;
        }
    }
    uintptr_t *place = 0;
    for (uintptr_t count = size / sizeof *entry; count > 0; count--, entry++) {
        if ((*entry & 1) == 0) {
            /* The address of one. */
            place = (uintptr_t *)(base + *entry);
            *place++ += base;
        } else {
            /* A bit for each of the words behind the last. */
            uintptr_t *word = place;
            for (uintptr_t bits = *entry >> 1; bits != 0; bits >>= 1, word++) {
                if ((bits & 1) != 0) {
                    *word += base;
                }
            }
            place += 8 * sizeof *entry - 1;
        }
    }
}

/* The kernel's stack pointer is kept for musl's start, which reads the arguments from it. */
#if defined(__x86_64__)
__asm__(".text\n.globl packed_start\n.hidden packed_start\n.type packed_start,@function\n"
        "packed_start:\n call apply_packed_relocations\n jmp _start\n");
#elif defined(__aarch64__)
__asm__(".text\n.globl packed_start\n.hidden packed_start\n.type packed_start,%function\n"
        "packed_start:\n bl apply_packed_relocations\n b _start\n");
#else
#error "no start for this architecture"
#endif
