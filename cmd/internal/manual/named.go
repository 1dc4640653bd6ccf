package manual

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

var flagWord = regexp.MustCompile(`(?:^|[\s(])--([a-z][a-z-]*)`)

// Unknown returns what a text for people tells them to run that there is not: commands of
// the program that root is, and flags behind them. A flag is held against the command that
// was named last before it.
func Unknown(root *cobra.Command, text string) (unknown []string) {
	for _, part := range regexp.MustCompile(`\b`+root.Name()+` `).Split(text, -1)[1:] {
		cmd, rest := root, part
		for {
			word, after, _ := strings.Cut(rest, " ")
			name := strings.TrimRight(word, ".,;:)`'\"")
			next := child(cmd, name)
			if next == nil {
				// Behind a command that only has others there is one of these, unless the
				// sentence ends.
				if cmd == root || cmd.HasSubCommands() && !strings.Contains(cmd.Use, " ") {
					unknown = append(unknown, cmd.CommandPath()+" "+name)
				}
				break
			}
			if cmd, rest = next, after; name != word {
				break
			}
		}
		own, _, _ := strings.Cut(part, "betonica")
		for _, m := range flagWord.FindAllStringSubmatch(own, -1) {
			if cmd.Flag(m[1]) == nil && cmd.InheritedFlags().Lookup(m[1]) == nil {
				unknown = append(unknown, cmd.CommandPath()+" --"+m[1])
			}
		}
	}
	return unknown
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}
