/* what diffsim.h calls of <math.h>, declared as Microsoft does: clang-cl compiles against this folder */
#pragma once
#define HUGE_VAL __builtin_huge_val()
#ifdef __cplusplus
extern "C" {
#endif
#define MSVC_ONE(name) double __cdecl name(double); float __cdecl name##f(float);
#define MSVC_TWO(name) double __cdecl name(double, double); float __cdecl name##f(float, float);
MSVC_ONE(fabs) MSVC_ONE(floor) MSVC_ONE(ceil) MSVC_ONE(sqrt) MSVC_ONE(cbrt) MSVC_ONE(exp) MSVC_ONE(exp2)
MSVC_ONE(expm1) MSVC_ONE(log) MSVC_ONE(log2) MSVC_ONE(log1p) MSVC_ONE(sin) MSVC_ONE(cos) MSVC_ONE(tan)
MSVC_ONE(asin) MSVC_ONE(acos) MSVC_ONE(atan) MSVC_ONE(sinh) MSVC_ONE(cosh) MSVC_ONE(tanh) MSVC_ONE(erf)
MSVC_TWO(pow) MSVC_TWO(hypot) MSVC_TWO(atan2) MSVC_TWO(fmod)
double __cdecl ldexp(double, int);
double __cdecl frexp(double, int *);
#undef MSVC_ONE
#undef MSVC_TWO
#ifdef __cplusplus
}
#endif
