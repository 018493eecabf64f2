#!/bin/sh
# The contenders of the bench agree on every loss and its derivatives, replays and the libraries that are
# installed included: it times nothing before that is so. So do kernels, derivatives included, and what plain
# C has instead, and whole rollouts. The minimisers solve its problems.

. text/tap.sh

check "the bench builds" ${MAKE:-make} --no-print-directory -C bench CC="$CC" build/bench build/kernels \
    build/rollouts build/cubes_double build/cubes_float build/optimizers
check "its contenders agree" bench/build/bench --reps 1
check "kernels agree with plain C" bench/build/kernels --quick
check "rollouts agree with known losses and gradients" bench/build/rollouts --quick
for real in double float; do
    check "torch-diffsim's cube as a world agrees with itself, $real" bench/build/cubes_$real --quick
done
check "the minimisers solve its problems in few evaluations" bench/build/optimizers
finish
