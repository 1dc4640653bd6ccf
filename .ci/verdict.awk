# Reads the output of `go test -v` and prints what a person needs of it: the
# verdict of each package, under it each test that was left out and why, and
# everything that a failed package said. What the failed tests themselves said
# comes once more at the very end, where the tail of a long log shows it; before it
# stand the ten tests that took longest, if any took a second. go test prints one
# package after the other, each closed by its verdict.

/^(ok  |\?   |---   )\t/     { verdict(); next }
/^FAIL\t/                    { failed(); next }
/^FAIL$/                     { next }
{ text[++lines] = $0 }
/^=== (RUN|PAUSE|CONT|NAME) /     { current = $3; next }
/^ *--- (PASS|FAIL|SKIP): /  { current = $3 }
/^panic: |^fatal error: |^WARNING: DATA RACE/ { broken[current] = 1 }
{ said[current] = said[current] $0 "\n" }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { last[current] = $0; sub(/^[^:]+:[0-9]+: (left out: )?/, "", last[current]) }
/^--- (PASS|FAIL): /         { took[$3] = substr($4, 2) + 0 }
/^ *--- SKIP: /              { left[++skips] = $3 }
/^ *--- FAIL: /              { broken[$3] = 1 }

function verdict(   i, test) {
	print
	for (test in took) rank(took[test], test " of " $2)
	split("", took)
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

# rank keeps a test if it is among the ten that took longest: slow[1] took seconds[1].
function rank(time, test,   i) {
	if (time < 1) return
	for (i = ranked < 10 ? ++ranked : 11; i > 1 && seconds[i-1] < time; i--) {
		seconds[i] = seconds[i-1]
		slow[i] = slow[i-1]
	}
	seconds[i] = time
	slow[i] = test
}

# tail returns the last 4,000 characters of what a test said.
function tail(all) { return length(all) > 4000 ? "...\n" substr(all, length(all) - 4000) : all }

END {
	for (i = 1; i <= lines; i++) print text[i]
	if (ranked) print "    slowest:"
	for (i = 1; i <= ranked && i <= 10; i++) printf "    %6.1f s  %s\n", seconds[i], slow[i]
	if (recall) print "\nFailed:" recall
}
