#!/bin/sh
# The contenders of the bench agree on every loss and gradient: it times nothing before that is so.

. text/tap.sh

check "the bench builds" ${MAKE:-make} --no-print-directory -C bench CC="$CC"
check "its contenders agree" bench/build/bench --reps 1
finish
