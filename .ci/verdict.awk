# Reads the output of `go test -v` and prints what a person needs of it: the
# verdict of each package, under it each test that was left out and why, and
# everything that a failed package said. What the failed tests themselves said
# comes once more at the very end, where the tail of a long log shows it. go
# test prints one package after the other, each closed by its verdict.

/^(ok  |\?   |---   )\t/     { verdict(); next }
/^FAIL\t/                    { failed(); next }
/^FAIL$/                     { next }
{ text[++lines] = $0 }
/^=== (RUN|CONT|NAME) /      { current = $3; next }
/^ *--- (PASS|FAIL|SKIP): /  { current = $3 }
/^panic: |^fatal error: |^WARNING: DATA RACE/ { broken[current] = 1 }
{ said[current] = said[current] $0 "\n" }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { last[current] = $0; sub(/^[^:]+:[0-9]+: (left out: )?/, "", last[current]) }
/^ *--- SKIP: /              { left[++skips] = $3 }
/^ *--- FAIL: /              { broken[$3] = 1 }

function verdict(   i) {
	print
	for (i = 1; i <= skips; i++) print "    left out " left[i] ": " last[left[i]]
	split("", last); split("", said); split("", broken)
	lines = skips = 0
	current = ""
	fflush()
}

function failed(   i, test) {
	for (i = 1; i <= lines; i++) print text[i]
	recall = recall "\n" $0 "\n"
	for (test in broken) recall = recall tail(said[test])
	verdict()
}

# tail returns the last 4,000 characters of what a test said.
function tail(all) { return length(all) > 4000 ? "...\n" substr(all, length(all) - 4000) : all }

END {
	for (i = 1; i <= lines; i++) print text[i]
	if (recall) print "\nFailed:" recall
}
