/* refused WORD: passes if ds_build_info() says that this build has not the same bits, with WORD in its
   sentence. REFUSED_ROUNDING: after the program has changed the rounding mode. */
#define DIFFSIM_STATIC /* what is not called is not compiled */
#define DIFFSIM_IMPLEMENTATION
#include "diffsim.h"
#ifdef REFUSED_ROUNDING
#include <fenv.h>
#endif
#include <stdio.h>

int main(int argc, char **argv)
{
    ds_build build;
#ifdef REFUSED_ROUNDING
    fesetround(FE_UPWARD);
#endif
    build = ds_build_info();
    printf("same_bits %d: %s\n", build.same_bits, build.text);
    return !(argc == 2 && !build.same_bits && strstr(build.text, argv[1]));
}
