package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// readAll returns the devices of a text, and why lines are refused, by their numbers.
func readInventory(t testing.TB, text string) (devices []adminapi.ImportLine, refused map[int]string) {
	r, err := newInventoryReader(strings.NewReader(text))
	require.NoError(t, err)
	refused = map[int]string{}
	for {
		l, err := r.next()
		bad, isBad := errors.AsType[*lineError](err)
		switch {
		case errors.Is(err, io.EOF):
			return devices, refused
		case isBad:
			refused[r.line] = bad.why
		default:
			require.NoError(t, err)
			devices = append(devices, l)
		}
	}
}

// What spreadsheets write is read: a mark at the beginning, ends of lines of two kinds,
// quotes, empty rows, columns in any order.
func TestInventory(t *testing.T) {
	devices, refused := readInventory(t, "\ufeffname,serial,dns,ips\r\npump-1,SN 1,a.example b.example,10.0.0.1;::1\r\n,,,\r\n\r\n\"p,2\", SN-2 ,,\n")
	require.Empty(t, refused)
	require.Equal(t, []adminapi.ImportLine{
		{Serial: "SN 1", Name: "pump-1", DNSNames: []string{"a.example", "b.example"}, IPs: []string{"10.0.0.1", "::1"}},
		{Serial: "SN-2", Name: "p,2", DNSNames: []string{}, IPs: []string{}},
	}, devices)
}

// A line that makes no sense is refused by itself, and what is on several lines as a
// whole: no device can hide in another's quotes.
func TestInventoryRefuses(t *testing.T) {
	long := strings.Repeat("x", 2*maxInventoryLine)
	devices, refused := readInventory(t, "serial,owner\n1,a\n2\n3,b,c\n4,\"a\nhidden,b\nc\"\n5,a\"b\"\n6,\xff\n7,"+long+"\n8,b\n9,\"open\nhidden,c\n")
	require.Equal(t, []adminapi.ImportLine{{Serial: "1", Owner: "a"}, {Serial: "8", Owner: "b"}}, devices)
	for line, why := range map[int]string{
		3: "it has 1 cell", 4: "it has 3 cells", 7: "lines 5 to 7", 8: "quotes", 9: "UTF-8", 10: "longer than", 13: "closed nowhere",
	} {
		require.Contains(t, refused[line], why, line)
	}
	require.Len(t, refused, 7)
}

// The first line has to name columns that there are, each once.
func TestInventoryHead(t *testing.T) {
	for head, why := range map[string]string{
		"": "empty", "name,owner": "serial among them", "serial,serial": "twice", "serial,Colour": `no column "Colour"`,
		"serial;owner": "commas", "4711,ward": "no column", "serial,\"a\nb\"": "line break",
	} {
		_, err := newInventoryReader(strings.NewReader(head + "\n"))
		require.ErrorContains(t, err, why, head)
	}
}

// FuzzInventory: whatever a file holds, reading ends, no cell holds a line break, and no
// line is longer than lines are.
func FuzzInventory(f *testing.F) {
	f.Add("serial,name\n1,a\n\"2\",\"b\"\"c\"\n")
	f.Add("\ufeffserial\r\n\"\n\n\"\n\xff")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := newInventoryReader(strings.NewReader(text))
		if err != nil {
			return
		}
		for {
			l, err := r.next()
			if errors.Is(err, io.EOF) {
				require.LessOrEqual(t, r.line, 1+strings.Count(text, "\n"))
				return
			}
			if _, bad := errors.AsType[*lineError](err); bad {
				continue
			}
			require.NoError(t, err)
			all := l.Serial + l.Name + l.Owner + l.Site + l.EK + strings.Join(l.DNSNames, "") + strings.Join(l.IPs, "")
			require.NotContains(t, all, "\n")
			require.LessOrEqual(t, len(all), maxInventoryLine)
		}
	})
}
