package httpdoor

import (
	"bufio"
	"bytes"
	"io"
)

// event is one of a stream of server-sent events (HTML, §9.2): its name and data. A comment is an event without a name.
type event struct {
	name string
	data []byte
}

// events reads a stream of events.
type events struct{ lines *bufio.Scanner }

// maxLine bounds a line of a stream, and the data of one event.
const maxLine = 64 << 10

func newEvents(r io.Reader) *events {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	return &events{lines}
}

// next reads up to the end of an event, or a comment. The error is io.EOF at the end of the stream.
func (e *events) next() (event, error) {
	var out event
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if out.name != "" || out.data != nil {
				return out, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "":
			if out.name == "" && out.data == nil {
				return event{}, nil
			}
		case "event":
			out.name = string(value)
		case "data":
			if out.data != nil {
				out.data = append(out.data, '\n')
			}
			if out.data = append(out.data, value...); len(out.data) > maxLine {
				return event{}, bufio.ErrTooLong
			}
		}
	}
	if err := e.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, io.EOF
}
