package migrate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// maxLine and maxCalls bound what is read of a file with calls.
const (
	maxLine  = 1 << 20
	maxCalls = 100_000
)

// ReadCalls reads calls from text: a line that has a method and an address, as logs and files of requests do, a command line of
// curl, also one over several lines, or an address alone, which is read. A body is what curl is given, or JSON in the lines below.
// Lines with no call of the older iterations are passed over. The error is that of reading, or says that there is too much.
func ReadCalls(r io.Reader) ([]Call, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var calls []Call
	var pending *pendingBody
	for lines.Scan() {
		line := lines.Text()
		for strings.HasSuffix(line, "\\") && len(line) < maxBody && lines.Scan() {
			line = strings.TrimSuffix(line, "\\") + " " + lines.Text()
		}
		if pending != nil {
			if pending.take(line) {
				continue
			}
			pending = nil
		}
		c, ok := readCall(line)
		if !ok {
			continue
		}
		if len(calls) == maxCalls {
			return calls, fmt.Errorf("there are more than %d calls", maxCalls)
		}
		calls = append(calls, c)
		if c.Body == nil {
			pending = &pendingBody{call: &calls[len(calls)-1]}
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return calls, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		return calls, err
	}
	return calls, nil
}

// ReadCommand reads a call from the words of a command line: a method, an address and, if it has one, a body; or curl with what it
// is given; or a line as ReadCalls reads them.
func ReadCommand(words []string) (Call, error) {
	var c Call
	var ok bool
	switch {
	case len(words) > 1 && (words[0] == "curl" || strings.HasSuffix(words[0], "/curl")):
		c, ok = readCurl(words[1:])
	case len(words) == 2 || len(words) == 3:
		c, ok = Call{Method: strings.ToUpper(words[0]), Address: words[1]}, isOlder(words[1])
		if len(words) == 3 {
			c.Body = []byte(words[2])
		}
	case len(words) == 1:
		c, ok = readCall(words[0])
	}
	if !ok {
		return c, ErrNotOlder
	}
	return c, nil
}

// pendingBody gathers the JSON below a call.
type pendingBody struct {
	call *Call
	text []byte
}

var headerLine = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*:( |$)`)

// take takes a line that belongs to the call: a header, a blank line before the body, or a part of it; false: the call is over.
func (p *pendingBody) take(line string) bool {
	trimmed := strings.TrimSpace(line)
	if len(p.text) == 0 {
		if trimmed == "" || headerLine.MatchString(trimmed) {
			return true
		}
		if !strings.HasPrefix(trimmed, "{") {
			return false
		}
	}
	if p.call.Body != nil || len(p.text)+len(line) > maxBody {
		return false
	}
	p.text = append(append(p.text, line...), '\n')
	if json.Valid(p.text) {
		p.call.Body = bytes.TrimSpace(p.text)
	}
	return true
}

var (
	// methodAndAddress is a method, and an address of an older iteration behind it.
	methodAndAddress = regexp.MustCompile(`(?i)(?:^|[^A-Za-z])(GET|POST|PUT|PATCH|DELETE)["'\s:]+(["']?)([^\s"']*` + olderPath + `.*)$`)
	addressAlone     = regexp.MustCompile(`(?i)["'(\s]?((?:https?://[^\s"']*|/[^\s"']*|)` + olderPath + `.*)$`)
)

// olderPath is what a path of an older iteration has in it.
const olderPath = `(?:privilegedAccess(?:/|\b)|privilegedRole|privilegedApproval|privilegedOperationEvents|privilegedSignupStatus)`

// readCall reads a call from a line; false: there is none.
func readCall(line string) (Call, bool) {
	if words, ok := curlWords(line); ok {
		return readCurl(words)
	}
	c := Call{Method: "GET"}
	var rest, quote string
	if m := methodAndAddress.FindStringSubmatch(line); m != nil {
		c.Method, quote, rest = strings.ToUpper(m[1]), m[2], m[3]
	} else if m := addressAlone.FindStringSubmatchIndex(line); m != nil {
		rest = line[m[2]:m[3]]
		if m[2] > 0 && strings.IndexByte(`"'`, line[m[2]-1]) >= 0 {
			quote = line[m[2]-1 : m[2]]
		}
	} else {
		return c, false
	}
	c.Address, rest = cutBehind(rest, quote)
	if at := strings.IndexByte(rest, '{'); at >= 0 {
		var body json.RawMessage
		if json.NewDecoder(strings.NewReader(rest[at:])).Decode(&body) == nil {
			c.Body = body
		}
	}
	return c, isOlder(c.Address)
}

// cutBehind cuts an address from what stands behind it: a quote that closes, or a blank outside of a filter's quotes, unless
// the option it stands in goes on.
func cutBehind(text, quote string) (address, rest string) {
	if quote != "" {
		address, rest, _ = strings.Cut(text, quote)
		if quote == "'" && strings.Contains(address, "$filter=") { // a filter's own quotes end nothing
			if at := strings.LastIndex(text, quote); at > len(address) {
				address, rest = text[:at], text[at:]
			}
		}
		return strings.TrimSpace(address), rest
	}
	filter, quoted := false, false
	for i, r := range text {
		switch {
		case r == '\'':
			quoted = !quoted
		case quoted:
		case strings.HasPrefix(text[i:], "filter="):
			filter = true
		case r == '&':
			filter = false
		case r == '"', r == '`', r == '<', r == '>':
			return text[:i], text[i:]
		case r == ' ', r == '\t':
			if !filter || !goesOn(text[i+1:]) {
				return text[:i], text[i:]
			}
		}
	}
	return strings.TrimSpace(text), ""
}

var operators = regexp.MustCompile(`^(?i)(eq|ne|and|or|not|gt|ge|lt|le|null|true|false|\(|'|[a-z]+(/[a-z]+)* (eq|ne) )`)

// goesOn says whether what stands behind a blank belongs to a filter.
func goesOn(rest string) bool { return operators.MatchString(rest) }

func isOlder(address string) bool {
	_, segments, _, err := cutAddress(address)
	return err == nil && rootOf(segments) >= 0
}

// curlWords are the words of a command line of curl, or of something that is called alike.
func curlWords(line string) ([]string, bool) {
	at := regexp.MustCompile(`(?:^|[\s$(;|&])curl(?:\.exe)?\s`).FindStringIndex(line)
	if at == nil {
		return nil, false
	}
	return shellWords(line[at[1]:]), true
}

// shellWords cuts a command line into words as a shell does, variables left as they are.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	begun := false
	quote := rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		case r == '|' || r == ';':
			if begun {
				words = append(words, word.String())
			}
			return words
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// readCurl reads the words behind curl.
func readCurl(words []string) (Call, bool) {
	var c Call
	for i := 0; i < len(words); i++ {
		name, value, inOne := strings.Cut(words[i], "=")
		takes := func() string {
			if inOne && strings.HasPrefix(name, "--") {
				return value
			}
			if i+1 < len(words) {
				i++
				return words[i]
			}
			return ""
		}
		switch {
		case words[i] == "-X" || name == "--request":
			c.Method = strings.ToUpper(takes())
		case strings.HasPrefix(words[i], "-X"):
			c.Method = strings.ToUpper(words[i][2:])
		case words[i] == "-d" || strings.HasPrefix(name, "--data") || name == "--json":
			c.Body = []byte(takes())
		case name == "--url":
			c.Address = takes()
		case isOlder(words[i]) && c.Address == "":
			c.Address = words[i]
		}
	}
	switch {
	case c.Method == "" && c.Body != nil:
		c.Method = "POST"
	case c.Method == "":
		c.Method = "GET"
	}
	return c, isOlder(c.Address)
}
