#!/bin/sh
# The header as a text: contents, marks and knobs agree, the first page is short, lines are plain and narrow,
# functions are short. Prints the function lengths and the share of comments.

. text/tap.sh

# marks of one kind: number and name, in order
marks() { sed -n "s|^/\* >>$1 \([0-9][0-9]*\) \([a-z ]*[a-z]\).*|\1 \2|p" "$header"; }
# the lines of a section of the head
section() { awk -v title="$1" '/^   [A-Z]/ { on = index($0, title) == 4 } /^#ifndef/ { exit } on' "$header"; }

section CONTENTS | sed -n 's/^ *\([0-9][0-9]*\) \([a-z ]*[a-z]\)  .*/\1 \2/p' >"$work/contents"
marks api >"$work/api"
marks impl >"$work/impl"
marks inline >"$work/inline"
equal "contents of the head = api marks" "$(cat "$work/contents")" "$(cat "$work/api")"
equal "impl marks = api marks" "$(cat "$work/impl")" "$(cat "$work/api")"
equal "the numbers rise" "$(cut -d' ' -f1 "$work/api")" "$(cut -d' ' -f1 "$work/api" | sort -n -u)"
grep -v -x -F -f "$work/api" "$work/inline" >"$work/stray"
empty "inline marks are a subset, in order" "$work/stray"
equal "inline numbers rise" "$(cut -d' ' -f1 "$work/inline")" "$(cut -d' ' -f1 "$work/inline" | sort -n -u)"
equal "the last marks are ends" "$(grep -c '^/\* >>\(api\|impl\) end \*/$' "$header")" 2

section KNOBS | sed -n 's/^     \(DIFFSIM_[A-Z_]*\).*/\1/p' | sort >"$work/knobs"
sed -n '/^#ifndef DIFFSIM_H$/,$p' "$header" | grep -E '^# *(if|elif)' | grep -o 'DIFFSIM_[A-Z_]*' |
    grep -v -x DIFFSIM_H | sort -u >"$work/tested"
equal "knobs of the head = knobs that the code asks for" "$(cat "$work/knobs")" "$(cat "$work/tested")"

# C++: what takes a desc takes it by reference, too; prototypes may have several lines
sed -n '/^\/\* >>api 1 /,/^\/\* >>api end/p' "$header" | tr '\n' ' ' | tr ';' '\n' | grep 'DIFFSIM_API.*(' |
    grep -E 'const ds_([a-z_]*desc|problem|schedule|jobs|allocator) \*' |
    sed 's/.*DIFFSIM_API [a-z_0-9 ]*[ *]\(ds_[a-z0-9_]*\)(.*/\1/' | sort >"$work/pointers"
sed -n '/^#define DSI_REFERENCES/,/[^\\]$/s/^ *DSI_ROW([^,]*, \(ds_[a-z0-9_]*\),.*/\1/p' "$header" |
    sort >"$work/references"
check "functions with a desc are found" test "$(wc -l <"$work/pointers")" -ge 11
equal "functions with a desc = rows of DSI_REFERENCES" "$(cat "$work/pointers")" "$(cat "$work/references")"

version=$(sed -n 's/^#define DIFFSIM_VERSION_STRING "\(.*\)"/\1/p' "$header")
equal "version in the first line" "$(sed -n '1s/.* - v\([0-9.]*\) - .*/\1/p' "$header")" "$version"
equal "version in three numbers" "$version" \
    "$(sed -n 's/^#define DIFFSIM_VERSION_[MP][A-Z]* \([0-9]*\)$/\1/p' "$header" | tr '\n' . | sed 's/\.$//')"
equal "version on top of the changes" \
    "$(sed -n '/^\/\* Changes/,$s/^   \([0-9][0-9.]*\)  .*/\1/p' "$header" | head -1)" "$version"

first=$(grep -n '^#' "$header" | head -1 | cut -d: -f1)
check "the first page has $((first - 1)) lines, at most 200" test "$first" -le 201

# what can be said of every source
find "$tests" "$tests/../examples" \( -name build -o -name out -o -name fuzz \) -prune -o \
    \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cuh' \) -print | sort >"$work/files"
plain()
{
    while read -r file; do
        grep -n -H "$@" "$file"
    done <"$work/files" | sed "s|^$tests/||" >"$work/found"
}
echo "$header" >>"$work/files"
plain '[^ -~]'
empty "ASCII, no tabs" "$work/found"
plain ' $'
empty "no space at the end of a line" "$work/found"
plain '.\{111\}'
empty "110 columns" "$work/found"
plain -E 'TO''DO|FIX''ME|X''XX|not implemented'
empty "nothing left to do" "$work/found"

# functions: from the first line of the signature to the closing brace
awk '
    /\\$/ { next }
    /^[A-Za-z].*[)]( .*)? \{.*\}/ { print 1, NR, $0; start = 0; next }
    /^\{$/ { open = 1; next }
    /^\}/ {
        if (open && start) print NR - start + 1, start, text
        open = start = 0
        next
    }
    open { next }
    /^[A-Za-z]/ { start = NR; text = $0; if (/;$/) start = 0; next }
    /^ / { if (/;$/) start = 0; next }
    { start = 0 }
' "$header" | sort -n >"$work/functions"
awk '{ n[NR] = $1 } END {
    printf "# %d functions, lines: median %d, 90th percentile %d, longest %d\n", NR,
        n[int((NR + 1) / 2)], n[int(NR * 0.9 + 0.5)], n[NR] }' "$work/functions"
awk '$1 > 100 && !/_sweep/ { print $1 " lines, line " $2 ": " $0 }' "$work/functions" >"$work/long"
check "functions are found" test "$(wc -l <"$work/functions")" -ge 100
empty "no function over 100 lines but the sweep" "$work/long"

awk '
    /^#ifndef DIFFSIM_H$/ { on = 1 }
    /^\/\* Changes/ { exit }
    !on || /^ *$/ { next }
    {
        lines++
        if (inside || /^ *\/\*/) comments++
        else if (/\/\*/) beside++
        s = $0
        while ((at = index(s, inside ? "*/" : "/*"))) {
            s = substr(s, at + 2)
            inside = !inside
        }
    }
    END {
        printf "# %d lines without the head, %.0f %% are comments, %.0f %% have one\n", lines,
            100 * comments / lines, 100 * (comments + beside) / lines
    }' "$header"

finish
