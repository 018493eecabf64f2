/* ops_text.c - the table of operations printed as a C or CUDA program: `ops_text c`, `ops_text cuda`. That
   program prints value and derivatives of every scalar row at fixed points as bits; `ops_text run` prints the
   same from the table compiled in, so both must agree line by line. */
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"

#include <inttypes.h>
#include <stdio.h>

enum { POINTS = 8 };

/* the point number p of an interval, the ends left out; the same expression in the printed program */
static ds_real point(double low, double high, int p)
{
    return (ds_real)(low + (high - low) * (p + 0.5) / POINTS);
}

static void print_bits(const char *name, ds_real x)
{
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof x);
    if (x != x) printf("%s nan\n", name);
    else printf("%s %016" PRIx64 "\n", name, bits);
}

#define TEXT(...) TEXT_OF(__VA_ARGS__)
#define TEXT_OF(...) #__VA_ARGS__

static ds_real no_derivative(void) { return -1; }
#define DSI_NONE no_derivative()

/* functions, as text: ds_real dsi_sin(ds_real a), and sin_0(a, b, c, v, g) for what a gains */
#define HEAD "DEVICE static ds_real "
#define ALL \
    "(ds_real a, ds_real b, ds_real c, ds_real v, ds_real g) " \
    "{ (void)a; (void)b; (void)c; (void)v; (void)g; return "
static void print_functions(int prototypes)
{
#define ROW1(name, value, da, shape, la, ha) \
    if (prototypes) puts(HEAD "dsi_" #name "(ds_real a);"); \
    else puts(HEAD "dsi_" #name "(ds_real a) { return " TEXT(value) "; }\n" \
              HEAD #name "_0" ALL TEXT(da) "; }");
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    if (prototypes) puts(HEAD "dsi_" #name "(ds_real a, ds_real b);"); \
    else puts(HEAD "dsi_" #name "(ds_real a, ds_real b) { return " TEXT(value) "; }\n" \
              HEAD #name "_0" ALL TEXT(da) "; }\n" HEAD #name "_1" ALL TEXT(db) "; }");
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    if (prototypes) puts(HEAD "dsi_" #name "(ds_real a, ds_real b, ds_real c);"); \
    else puts(HEAD "dsi_" #name "(ds_real a, ds_real b, ds_real c) { return " TEXT(value) "; }\n" \
              HEAD #name "_0" ALL TEXT(da) "; }\n" HEAD #name "_1" ALL TEXT(db) "; }\n" \
              HEAD #name "_2" ALL TEXT(dc) "; }");
    DSI_OPS_1(ROW1)
    DSI_OPS_2(ROW2)
    DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3
}

/* what section 2 calls: C links the library, CUDA has names of its own */
static void print_elementary(int cuda)
{
#define UNARY(name) \
    puts(cuda ? HEAD "ds_real_" #name "(ds_real x) { return " #name "(x); }" \
              : "ds_real ds_real_" #name "(ds_real x);");
#define BINARY(name) \
    puts(cuda ? HEAD "ds_real_" #name "(ds_real x, ds_real y) { return " #name "(x, y); }" \
              : "ds_real ds_real_" #name "(ds_real x, ds_real y);");
    UNARY(exp) UNARY(expm1) UNARY(log) UNARY(log1p) UNARY(sin) UNARY(cos) UNARY(tan) UNARY(asin) UNARY(acos)
    UNARY(atan) UNARY(sinh) UNARY(cosh) UNARY(tanh) UNARY(cbrt) UNARY(erf)
    BINARY(pow) BINARY(atan2) BINARY(hypot)
#undef UNARY
#undef BINARY
}

/* calls, as text: one function `evaluate` that fills out[]; in CUDA a kernel calls it */
static void print_calls(void)
{
#define AT(low, high) "point(" #low ", " #high ", p)"
#define ROW1(name, value, da, shape, la, ha) \
    puts("    a = " AT(la, ha) "; v = out[n++] = dsi_" #name "(a); out[n++] = " #name "_0(a, b, c, v, g);");
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    puts("    a = " AT(la, ha) "; b = " AT(lb, hb) "; v = out[n++] = dsi_" #name "(a, b);\n" \
         "    out[n++] = " #name "_0(a, b, c, v, g); out[n++] = " #name "_1(a, b, c, v, g);");
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    puts("    a = " AT(la, ha) "; b = " AT(lb, hb) "; c = " AT(lc, hc) ";\n" \
         "    v = out[n++] = dsi_" #name "(a, b, c);\n" \
         "    out[n++] = " #name "_0(a, b, c, v, g); out[n++] = " #name "_1(a, b, c, v, g);\n" \
         "    out[n++] = " #name "_2(a, b, c, v, g);");
    DSI_OPS_1(ROW1)
    DSI_OPS_2(ROW2)
    DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3
}

static void print_program(int cuda)
{
    printf("#include <math.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n"
           "#define DEVICE %s\ntypedef %s ds_real;\nenum { POINTS = %d };\n",
           cuda ? "__device__ __host__" : "", TEXT(DIFFSIM_REAL), POINTS);
    puts(HEAD "dsi_product(ds_real a, ds_real b) { return a * b; }\n" HEAD
              "no_derivative(void) { return -1; }\n" HEAD "point(double low, double high, int p)\n"
              "{\n    return (ds_real)(low + (high - low) * (p + 0.5) / POINTS);\n}");
    print_elementary(cuda);
    print_functions(1);
    print_functions(0);
    puts("DEVICE static int evaluate(int p, ds_real *out)\n{\n    ds_real a, b = 0, c = 0, v, g = "
         "(ds_real)0.75;\n"
         "    int n = 0;");
    print_calls();
    puts("    return n;\n}");
    if (cuda)
        puts("__global__ void kernel(ds_real *out, int n) { evaluate((int)blockIdx.x, out + n * "
             "(int)blockIdx.x); }");
    puts("int main(void)\n{\n    static ds_real out[1000];\n    for (int p = 0; p < POINTS; p++) {\n"
         "        int n = evaluate(p, out);\n        for (int i = 0; i < n; i++) {\n            uint64_t "
         "bits = 0;\n"
         "            memcpy(&bits, &out[i], sizeof out[i]);\n"
         "            if (out[i] != out[i]) printf(\"%d nan\\n\", i);\n"
         "            else printf(\"%d %016llx\\n\", i, (unsigned long long)bits);\n        }\n    }\n    "
         "return 0;\n}");
}

#define GAIN(name, d, column) \
    static ds_real name##_##d(ds_real a, ds_real b, ds_real c, ds_real v, ds_real g) \
    { \
        (void)a, (void)b, (void)c, (void)v, (void)g; \
        return column; \
    }
#define ROW1(name, value, da, shape, la, ha) GAIN(name, 0, da)
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) GAIN(name, 0, da) GAIN(name, 1, db)
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    GAIN(name, 0, da) GAIN(name, 1, db) GAIN(name, 2, dc)
DSI_OPS_1(ROW1)
DSI_OPS_2(ROW2)
DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

static void run(void)
{
    const ds_real g = (ds_real)0.75;
    for (int p = 0; p < POINTS; p++) {
        ds_real a, b = 0, c = 0, v;
        char number[12];
        int n = 0;
#define PRINT(x) (snprintf(number, sizeof number, "%d", n++), print_bits(number, x))
#define ROW1(name, value, da, shape, la, ha) \
    a = point(la, ha, p), v = dsi_##name(a), PRINT(v), PRINT(name##_0(a, b, c, v, g));
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    a = point(la, ha, p), b = point(lb, hb, p), v = dsi_##name(a, b), PRINT(v), \
    PRINT(name##_0(a, b, c, v, g)), PRINT(name##_1(a, b, c, v, g));
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    a = point(la, ha, p), b = point(lb, hb, p), c = point(lc, hc, p), v = dsi_##name(a, b, c), PRINT(v), \
    PRINT(name##_0(a, b, c, v, g)), PRINT(name##_1(a, b, c, v, g)), PRINT(name##_2(a, b, c, v, g));
        DSI_OPS_1(ROW1)
        DSI_OPS_2(ROW2)
        DSI_OPS_3(ROW3)
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "run")) run();
    else if (argc == 2 && (!strcmp(argv[1], "c") || !strcmp(argv[1], "cuda")))
        print_program(!strcmp(argv[1], "cuda"));
    else return fprintf(stderr, "usage: ops_text run | c | cuda\n"), 2;
    return 0;
}
