#!/bin/sh
# sh run.sh NAME 'COMMAND'   runs a test, keeps its output in build/tap/NAME, prints a line, failures in full
# sh run.sh --sum NAME ...   adds up the tests of these names; the last line is 'N passed, N failed'
#
# A test prints TAP. It has failed, too, when it crashes, does not compile, ends without its plan or with
# another number of checks, or when its exit status and its checks disagree.

set -u
out=build/tap
mkdir -p "$out"

if test "$1" = --sum; then
    shift
    for name in "$@"; do
        if test -f "$out/$name.sum"; then cat "$out/$name.sum"; else echo "0 1 0 $name did not run"; fi
    done | awk '
        $1 ~ /^[0-9]+$/ { passed += $1; failed += $2; skipped += $3; if ($2) bad[++n_bad] = $4 }
        $1 == "skip" {
            sub(/^skip /, "")
            at = index($0, " # SKIP ")
            why = substr($0, at + 8)
            if (!(why in skips)) order[++n] = why
            skips[why]++
        }
        END {
            print ""
            if (n_bad) {
                line = "failed in:"
                for (i = 1; i <= n_bad; i++) line = line " " bad[i]
                print line
            }
            if (skipped) {
                line = skipped " skipped"
                for (i = 1; i <= n; i++) line = line (i > 1 ? "; " : ": ") skips[order[i]] " " order[i]
                print line
            }
            print passed + 0 " passed, " failed + 0 " failed"
            exit failed > 0 || passed == 0
        }'
    exit
fi

# milliseconds; whole seconds where date knows no parts
now()
{
    date +%s%N | awk '/N$/ { sub(/N$/, ""); printf "%.0f\n", $1 * 1000; next } { printf "%.0f\n", $1 / 1e6 }'
}

name=$1
limit=
command -v timeout >/dev/null 2>&1 && limit="timeout ${LIMIT:-300}"
if test -d build/locale/de_DE.UTF-8; then
    LOCPATH=$PWD/build/locale
    export LOCPATH
fi
begin=$(now)
$limit sh -c "$2" >"$out/$name" 2>&1 </dev/null
status=$?
end=$(now)
# on processors, user and system: the second line of `times` is of what has ended, "1m2.50s 0m0.25s"
times >"$out/$name.times"
spent=$(awk 'NR == 2 { gsub(/[ms]/, " "); printf "%.1f", 60 * $1 + $2 + 60 * $3 + $4 }' "$out/$name.times")
rm "$out/$name.times"

awk -v name="$name" -v status=$status -v ms=$((end - begin)) -v spent="$spent" -v sum="$out/$name.sum" '
    { sub(/\r$/, ""); tail[NR % 30] = $0 }
    /^(not )?ok [0-9]+/ {
        n++
        if (($1 == "ok" ? $2 : $3) != n) disorder = 1
        showing = 0
        if ($1 == "not") { failed++; showing = 1 }
        else if ($0 ~ / # SKIP /) { skipped++; print "skip " $0 >sum }
        else passed++
    }
    /^1\.\.[0-9]+$/ { plans++; plan = substr($0, 4) }
    showing && shown < 60 { show[++shown] = $0 }
    /^# / && !showing { remark[++n_remarks] = $0 }
    END {
        if (status > 128) trouble = "killed by signal " status - 128
        else if (status == 124) trouble = "took too long"
        else if (!plans) trouble = "ended without its plan, exit status " status
        else if (plans > 1 || plan != n || disorder) trouble = "the plan is 1.." plan ", checks are " n + 0
        else if (n == 0) trouble = "no checks"
        else if (!status != !failed) trouble = failed + 0 " failed, but the exit status is " status
        if (trouble) failed++
        print passed + 0, failed + 0, skipped + 0, name >sum
        text = sprintf("%s %4d checks %6.1f s, processor %6.1f s  %s%s", failed ? "FAILED" : "ok    ", n, ms / 1000,
                       spent, name, skipped ? ", " skipped " skipped" : "")
        for (i = 1; i <= n_remarks; i++) text = text "\n" remark[i]
        for (i = 1; i <= shown; i++) text = text "\n    " show[i]
        if (trouble) {
            text = text "\n    " trouble "; the end of its output:"
            for (i = NR > 30 ? NR - 29 : 1; i <= NR; i++) text = text "\n    | " tail[i % 30]
        }
        print text
    }' "$out/$name"
exit 0
