package httpdoor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// all reads a stream to its end.
func all(text string) ([]string, error) {
	var out []string
	events := newEvents(strings.NewReader(text))
	for {
		e, err := events.next()
		if err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("%s=%s", e.name, e.data))
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
		err  error
	}{
		{"", "[]", io.EOF},
		{"event: decision\ndata: {}\n\n", "[decision={}]", io.EOF},
		{"id: 7\r\nevent:decision\r\ndata:{}\r\n\r\n", "[decision={}]", io.EOF},
		{": alive\n\n", "[=]", io.EOF},
		{":\n:\n", "[= =]", io.EOF},
		{"data: a\ndata: b\n\n\n\ndata: c\n\n", "[=a\nb =c]", io.EOF},
		{"retry: 100\nevent: x\n\n", "[x=]", io.EOF},
		{"event: decision\n: a word between\ndata: {}\n\n", "[decision={}]", io.EOF},
		{"event: decision\ndata: {}", "[]", io.EOF},
		{"event: decision\ndata: {}\n", "[]", io.EOF},
		{"data: " + strings.Repeat("x", maxLine) + "\n\n", "[]", bufio.ErrTooLong},
		{strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 100) + "\n", "[]", bufio.ErrTooLong},
	} {
		got, err := all(c.text)
		if fmt.Sprint(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%.40q: got %v, %v, want %s, %v", c.text, got, err, c.want, c.err)
		}
	}
}

// FuzzEvents: whatever a server sends is read to an end, within bounds, and nothing but a whole decision that says so is a yes.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"event: decision\ndata: {\"decision\":true,\"until\":\"2026-01-01T00:00:00Z\"}\n\n", ": alive\n\nid: 1\n", "data\ndata:\n\n", "event: decision\r\ndata: {\"Decision\":true}\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		events := newEvents(strings.NewReader(text))
		for n := 0; ; n++ {
			e, err := events.next()
			if err != nil {
				return
			}
			if n > len(text) {
				t.Fatalf("more events than bytes in %q", text)
			}
			if len(e.data) > maxLine {
				t.Fatalf("%d bytes of data", len(e.data))
			}
			_, d, err := readDecision(e.data)
			if d.Allowed && (err != nil || !strings.Contains(strings.ToLower(string(e.data)), "decision")) {
				t.Fatalf("%q is a yes, with the error %v", e.data, err)
			}
		}
	})
}
