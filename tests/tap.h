/* tap.h - the test runner: checks that print TAP (testanything.org), any C99 or C++11 compiler

       #include "tap.h"

       int main(void)
       {
           TAP_OK(2 + 2 == 4, "sums");                           // ok 1 - sums
           TAP_NEAR(sqrt(2.0), 1.41421, 1e-5, "root of %d", 2);  // ok 2 - root of 2
           TAP_HAS("stale variable", "stale", "the sentence");   // ok 3 - the sentence
           TAP_SKIP("no such hardware", "the fast way");         // ok 4 - the fast way # SKIP no such ...
           return tap_end();                                     // 1..4
       }

   The name comes last and is a printf format with its arguments. A check that fails prints file, line, the
   expression and what it got; checks return their truth, so `if (!TAP_OK(p, "made")) return tap_end();`
   reads well. tap_diag writes a remark. A program that ends without tap_end() has failed. */

#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define TAP_PRINTF(at, first) __attribute__((format(printf, at, first), unused))
#elif defined(__GNUC__)
#define TAP_PRINTF(at, first) __attribute__((unused))
#else
#define TAP_PRINTF(at, first)
#endif

/* truth: any scalar. The arguments are evaluated once. */
#define TAP_OK(truth, ...) tap_ok(__FILE__, __LINE__, #truth, !!(truth), __VA_ARGS__)
/* |got - want| <= tolerance * |want|; absolute where want is 0; equal infinities pass, NaN never does */
#define TAP_NEAR(got, want, tolerance, ...) \
    tap_near(__FILE__, __LINE__, #got, (double)(got), (double)(want), (double)(tolerance), __VA_ARGS__)
/* part occurs in text; a NULL text fails */
#define TAP_HAS(text, part, ...) tap_has(__FILE__, __LINE__, #text, text, part, __VA_ARGS__)
/* says why a check is not made; the runner counts it apart */
#define TAP_SKIP(reason, ...) tap_skip(reason, __VA_ARGS__)

static int tap_count, tap_failures;

/* "ok 7 - name"; the flush keeps the lines before a crash */
static inline void tap_line(int truth, const char *reason, const char *format, va_list list)
{
    tap_count++;
    if (!truth) tap_failures++;
    printf("%s %d - ", truth ? "ok" : "not ok", tap_count);
    vprintf(format, list);
    if (reason) printf(" # SKIP %s", reason);
    printf("\n");
    fflush(stdout);
}

TAP_PRINTF(1, 2) static inline void tap_diag(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("# ");
    vprintf(format, list);
    printf("\n");
    fflush(stdout);
    va_end(list);
}

TAP_PRINTF(5, 6)
static inline int tap_ok(const char *file, int line, const char *expr, int truth, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    tap_line(truth, NULL, format, list);
    va_end(list);
    if (!truth) tap_diag("%s:%d: %s is false", file, line, expr);
    return truth;
}

TAP_PRINTF(7, 8)
static inline int tap_near(const char *file, int line, const char *expr, double got, double want,
                           double tolerance, const char *format, ...)
{
    const double miss = got < want ? want - got : got - want, size = want < 0 ? -want : want;
    const int truth = got == want || miss <= tolerance * (size > 0 ? size : 1);
    va_list list;
    va_start(list, format);
    tap_line(truth, NULL, format, list);
    va_end(list);
    if (!truth) {
        tap_diag("%s:%d: %s", file, line, expr);
        tap_diag("got      %.17g", got);
        tap_diag("expected %.17g, off by %.3g, allowed %.3g", want, miss, tolerance * (size > 0 ? size : 1));
    }
    return truth;
}

TAP_PRINTF(6, 7)
static inline int tap_has(const char *file, int line, const char *expr, const char *text, const char *part,
                          const char *format, ...)
{
    const int truth = text && strstr(text, part) != NULL;
    va_list list;
    va_start(list, format);
    tap_line(truth, NULL, format, list);
    va_end(list);
    if (!truth) {
        tap_diag("%s:%d: %s", file, line, expr);
        tap_diag("got      \"%s\"", text ? text : "(NULL)");
        tap_diag("expected \"%s\" in it", part);
    }
    return truth;
}

TAP_PRINTF(2, 3) static inline void tap_skip(const char *reason, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    tap_line(1, reason, format, list);
    va_end(list);
}

/* the plan; 0 when everything passed: `return tap_end();` */
static inline int tap_end(void)
{
    printf("1..%d\n", tap_count);
    fflush(stdout);
    return tap_failures > 0 || tap_count == 0;
}

#endif
