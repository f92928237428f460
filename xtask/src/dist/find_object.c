/* gcc's unwinder, as distributions build it, asks glibc where a program counter's unwind table is. musl has no such function:
 * this is one, for the one object that a static program has, by the list that musl does have. The struct is glibc's
 * (dlfcn.h, since 2.35), where no architecture that this is built for has a data base. */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

struct dl_find_object {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    ElfW(Addr) pc;
    struct dl_find_object *result;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    void *eh_frame = NULL;
    int found = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        ElfW(Addr) start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_GNU_EH_FRAME) {
            eh_frame = (void *)start;
        } else if (part->p_type == PT_LOAD && search->pc >= start && search->pc - start < part->p_memsz) {
            search->result->map_start = (void *)start;
            search->result->map_end = (void *)(start + part->p_memsz);
            found = 1;
        }
    }
    search->result->eh_frame = eh_frame;
    return found && eh_frame != NULL;
}

int _dl_find_object(void *pc, struct dl_find_object *result) {
    struct search search = {(ElfW(Addr))pc, result};
    result->flags = 0;
    result->link_map = NULL;
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
