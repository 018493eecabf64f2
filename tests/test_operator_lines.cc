/* C++ under DIFFSIM_DEBUG: operators and bare names tell the line they stand on, so that errors name it. */
#define DIFFSIM_IMPLEMENTATION
#define DIFFSIM_OPERATORS
#define DIFFSIM_DEBUG
#include "../diffsim.h"
#include "tap.h"

static ds_tape *t;

/* records in another place, which an operator that tells nothing would leave in the error */
static ds_var told_elsewhere(ds_var a);

/* the first error names this file and the line */
static void names_line(int line, const char *what)
{
    char place[60];
    snprintf(place, sizeof place, "test_operator_lines.cc:%d:", line);
    TAP_HAS(ds_tape_error(t)->text, place, "%s", what);
}
#define AT_ITS_LINE(expression) \
    do { \
        ds_tape_reset(t); \
        ds_var x = ds_input(t, 2), bad = ds_input(t, 0); \
        ds_var3 p = pack3(x, 1, 2); \
        const ds_m3 m = ds_m3_identity(); /* what is not recorded has no line */ \
        p *= norm(-(m + m * m) * (ds_v3_make(1, 2, 3) / 2)); \
        bad = told_elsewhere(bad); \
        expression; \
        names_line(__LINE__, #expression); \
    } while (0)

int main()
{
    ds_tape_desc desc = ds_tape_desc();
    desc.debug = 1; /* every value is checked when it is made */
    t = ds_tape_create(desc);
    AT_ITS_LINE(x / bad);
    AT_ITS_LINE(1 / bad);
    AT_ITS_LINE(x /= bad);
    AT_ITS_LINE(x *= 1e300 * 1e300);
    AT_ITS_LINE(p / bad);
    AT_ITS_LINE(p /= 0.0 * 1);
    AT_ITS_LINE(p += p * bad / bad);
    AT_ITS_LINE(x = log(bad));
    AT_ITS_LINE(x = pow(bad, -1));
    AT_ITS_LINE(x = fma(1e308 * 10, x, 2));
    AT_ITS_LINE(p = normalize(p * bad));
    ds_tape_destroy(t);
    return tap_end();
}

#line 1 "elsewhere"
static ds_var told_elsewhere(ds_var a) { return ds_add(a, ds_c(0)); }
