/* impl.c - the library in a translation unit of its own, as its users have it. */

#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"
