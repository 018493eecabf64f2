#!/bin/sh
# sh compile.sh OUTPUT SOURCE OBJECT COMPILER FLAG ...
#
# Compiles a test program. Each is whole (cc test_base.c -lm), but most of the time would go into the
# implementation, so it is compiled once for a build, with its pool, and a program links that OBJECT. Only a
# program that looks into the implementation, or sets a knob that changes it, compiles its own.

output=$1
source=$2
object=$3
shift 3

set -- "$@" -pthread
if grep -q '^ *# *define DIFFSIM_\(API\|ASSERT\|REAL\|STATIC\)' "$source"; then
    exec "$@" "$source" -o "$output" -lm
fi
# DSI_IMPLEMENTED: as if the implementation had been seen above
if "$@" -fsyntax-only -DDSI_IMPLEMENTED -Werror=implicit-function-declaration "$source" >/dev/null 2>&1; then
    exec "$@" -DDSI_IMPLEMENTED "$source" "$object" -o "$output" -lm
fi
exec "$@" -DDIFFSIM_STATIC "$source" -o "$output" -lm # static: what is not called is not compiled
