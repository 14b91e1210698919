package cable_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"portcullis/test/cable"
)

// echo answers each line with the line.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // until the test ends it
			}()
		}
	}()
	return l.Addr().String()
}

func lay(t *testing.T, to string) *cable.Cable {
	t.Helper()
	c, err := cable.Lay(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// line is a connection through a cable.
type line struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, c *cable.Cable) *line {
	t.Helper()
	l, err := try(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func try(t *testing.T, c *cable.Cable) (*line, error) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.Addr())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &line{conn, bufio.NewReader(conn)}, nil
}

// refuses wants a new connection to be reset, at once or when it is used.
func refuses(t *testing.T, c *cable.Cable) {
	t.Helper()
	l, err := try(t, c)
	if err == nil {
		err = l.says("hello", soon)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection: got %v, want a reset", err)
	}
}

// says sends a line and wants it back within a time.
func (l *line) says(text string, within time.Duration) error {
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		return err
	}
	return l.hears(text, within)
}

func (l *line) hears(text string, within time.Duration) error {
	if err := l.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	got, err := l.in.ReadString('\n')
	if err == nil && got != text+"\n" {
		return errors.New("got another line: " + got)
	}
	return err
}

const (
	soon    = 20 * time.Second
	briefly = 100 * time.Millisecond
)

func TestACutCableResetsAndTakesNobody(t *testing.T) {
	c := lay(t, echo(t))
	l := dial(t, c)
	if err := l.says("before", soon); err != nil {
		t.Fatal(err)
	}
	c.Cut()
	if err := l.hears("", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection: got %v, want %v", err, syscall.ECONNRESET)
	}
	refuses(t, c)
	c.Mend()
	if err := dial(t, c).says("after", soon); err != nil {
		t.Errorf("after mending: %v", err)
	}
}

func TestAStalledCableHoldsEverythingBack(t *testing.T) {
	for _, d := range []cable.Direction{cable.Up, cable.Down, cable.Both} {
		c := lay(t, echo(t))
		l := dial(t, c)
		if err := l.says("before", soon); err != nil {
			t.Fatal(err)
		}
		c.Stall(d)
		if err := l.says("meanwhile", briefly); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("direction %d: got %v, want silence", d, err)
		}
		late := dial(t, c)
		if err := late.says("late", briefly); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("direction %d, a new connection: got %v, want silence", d, err)
		}
		c.Mend()
		if err := errors.Join(l.hears("meanwhile", soon), late.hears("late", soon)); err != nil {
			t.Errorf("direction %d after mending: %v", d, err)
		}
	}
}

func TestADelayIsKept(t *testing.T) {
	c := lay(t, echo(t))
	l := dial(t, c)
	const by = 50 * time.Millisecond
	for _, f := range []struct {
		direction cable.Direction
		want      time.Duration
	}{{cable.Up, by}, {cable.Down, by}, {cable.Both, 2 * by}} {
		c.Mend()
		c.Delay(f.direction, by)
		began := time.Now()
		if err := l.says("slow", soon); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < f.want {
			t.Errorf("direction %d: got %v, want at least %v", f.direction, took, f.want)
		}
	}
}

func TestAnEndIsPassedOn(t *testing.T) {
	c := lay(t, echo(t))
	l := dial(t, c)
	if _, err := io.WriteString(l, "last words"); err != nil {
		t.Fatal(err)
	}
	if err := l.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(l.in)
	if err != nil || string(got) != "last words" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNobodyBehindTheCableIsAReset(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	refuses(t, lay(t, addr))
}
