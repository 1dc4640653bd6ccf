# Reads the output of `go test -v` and prints what a person needs of it: the
# verdict of each package, under it each test that was left out and why, and
# everything that a failed package said. go test prints one package after the
# other, each closed by its verdict.

/^(ok  |\?   |---   )\t/     { verdict(); next }
/^FAIL\t/                    { failed(); next }
/^FAIL$/                     { next }
{ text[++lines] = $0 }
/^=== (RUN|CONT|NAME) /      { current = $3 }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { last[current] = $0; sub(/^[^:]+:[0-9]+: (left out: )?/, "", last[current]) }
/^ *--- SKIP: /              { left[++skips] = $3 }

function verdict(   i) {
	print
	for (i = 1; i <= skips; i++) print "    left out " left[i] ": " last[left[i]]
	split("", last)
	lines = skips = 0
	fflush()
}

function failed(   i) {
	for (i = 1; i <= lines; i++) print text[i]
	verdict()
}

END { for (i = 1; i <= lines; i++) print text[i] }
