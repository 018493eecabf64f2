/* counter.h: memory that counts and fails when it is told, for tests. The header stands before it. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdlib.h>
#include <string.h>

/* an allocator that always moves, fills new and freed memory with 0xCD, knows each block's size and fails
   when told */
typedef struct counter {
    size_t calls, live, most, blocks; /* live: bytes; most: that it ever was */
    size_t wrong; /* sizes that were not the block's */
    size_t fail_at; /* 0: never; else the number of the call that fails */
    int for_good; /* and all that follow */
} counter;

enum { COUNTER_HEAD = 16 };

static void *count_and_fail(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    counter *c = (counter *)user;
    char *block = NULL;
    size_t known = 0;
    if (new_bytes) {
        c->calls++;
        if (c->fail_at && (c->calls == c->fail_at || (c->for_good && c->calls > c->fail_at))) return NULL;
        block = (char *)malloc(new_bytes + COUNTER_HEAD);
        if (!block) return NULL;
        memset(block, 0xCD, new_bytes + COUNTER_HEAD);
        memcpy(block, &new_bytes, sizeof new_bytes);
        c->live += new_bytes;
        if (c->live > c->most) c->most = c->live;
        c->blocks++;
    }
    if (pointer) {
        char *old = (char *)pointer - COUNTER_HEAD;
        memcpy(&known, old, sizeof known);
        if (known != old_bytes) c->wrong++;
        if (block) memcpy(block + COUNTER_HEAD, pointer, known < new_bytes ? known : new_bytes);
        memset(old, 0xCD, known + COUNTER_HEAD);
        free(old);
        c->live -= known;
        c->blocks--;
    } else if (old_bytes) {
        c->wrong++;
    }
    return block ? block + COUNTER_HEAD : NULL;
}

static ds_allocator allocator_of(counter *c)
{
    ds_allocator a;
    a.resize = count_and_fail;
    a.user = c;
    return a;
}

#endif
