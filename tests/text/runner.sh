#!/bin/sh
# The runner itself: each way a test can fail counts as failed, and the last line adds up.

. text/tap.sh

cp run.sh "$work/"
cd "$work" || exit 1

# outcome NAME SUM COMMAND: what run.sh makes of it: passed, failed, skipped
outcome()
{
    LIMIT=2 sh run.sh job "$3" >shown 2>&1
    equal "$1" "$(grep -v '^skip' build/tap/job.sum)" "$2 job"
}
outcome "passes" "2 0 0" 'echo ok 1 - a; echo ok 2 - b; echo 1..2'
outcome "a check fails" "1 1 0" 'echo ok 1 - a; echo not ok 2 - b; echo 1..2; exit 1'
outcome "a check is skipped" "1 0 1" 'echo ok 1 - a; echo "ok 2 - b # SKIP why"; echo 1..2'
outcome "no plan" "1 1 0" 'echo ok 1 - a'
outcome "fewer checks than planned" "1 1 0" 'echo ok 1 - a; echo 1..2'
outcome "two plans" "2 1 0" 'echo ok 1 - a; echo ok 2 - b; echo 1..2; echo 1..2'
outcome "checks out of order" "2 1 0" 'echo ok 2 - a; echo ok 1 - b; echo 1..2'
outcome "no checks" "0 1 0" 'echo 1..0'
outcome "does not start" "0 1 0" './no_such_program'
outcome "crashes" "1 1 0" 'echo ok 1 - a; kill -SEGV $$'
outcome "exits with a status that its checks deny" "1 1 0" 'echo ok 1 - a; echo 1..1; exit 1'
outcome "exits with 0 in spite of a failure" "0 2 0" 'echo not ok 1 - a; echo 1..1'
outcome "line ends of Windows" "1 0 0" 'printf "ok 1 - a\r\n1..1\r\n"'
have timeout coreutils && outcome "never ends" "0 1 0" 'sleep 60'
printf '#include "tap.h"\nint main(void) { TAP_OK(1, "a"); return tap_end() + 0 * (missing(1)); }\n' >bad.c
outcome "does not link" "0 1 0" "$CC -I$tests bad.c -o bad && ./bad"
printf '#include "tap.h"\nint main(void) { %s return tap_end(); }\n' \
    'TAP_NEAR(1.1, 1, 0.01, "a"); TAP_NEAR(1, 1.1, 0.2, "b"); TAP_HAS("text", "c", "c");' >near.c
outcome "tap.h" "1 2 0" "$CC -I$tests near.c -o near && ./near"

run() { sh run.sh "$@" >/dev/null 2>&1; }
run one 'echo ok 1 - a; echo "ok 2 - b # SKIP why"; echo 1..2'
run two 'echo ok 1 - a; echo 1..1'
run three 'echo not ok 1 - a; echo 1..1; exit 1'
equal "the sum" "$(sh run.sh --sum one two | tail -2; sh run.sh --sum one two >/dev/null; echo $?)" \
    "$(printf '1 skipped: 1 why\n2 passed, 0 failed\n0')"
equal "the sum with a failure" \
    "$(sh run.sh --sum one three two | tail -1; sh run.sh --sum three >/dev/null; echo $?)" \
    "$(printf '2 passed, 1 failed\n1')"
equal "the sum with a test that did not run" "$(sh run.sh --sum one four | tail -1)" '1 passed, 1 failed'

finish
