/* see math.h */
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void *__cdecl realloc(void *, size_t);
void __cdecl free(void *);
#ifdef __cplusplus
}
#endif
