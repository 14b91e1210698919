package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client is one connection to the server under test. It speaks just enough HTTP/1.1 to send requests that were made
// before and read the answers, so that the load takes little of the machine.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
}

func (p *process) dial(ctx context.Context) (*client, error) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// answerWithin bounds one answer.
const answerWithin = time.Minute

// do sends a request and reads the answer. The body is valid until the next call.
func (c *client) do(request []byte) (status int, body []byte, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if name, value, _ := strings.Cut(string(line), ": "); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, nil, err
			}
		}
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	_, err = io.ReadFull(c.in, c.body)
	return status, c.body, err
}

// get makes a GET request.
func get(path, token string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token + "\r\nAccept: application/json\r\n\r\n")
}

func post(path, token, body string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// load is what came of a number of calls.
type load struct {
	calls         int
	perSecond     float64
	mean, p50     time.Duration
	p99           time.Duration
	cpuPerRequest time.Duration
}

func (l load) String() string {
	return fmt.Sprintf("%.0f/s, p50 %s, p99 %s, server CPU %s a request", l.perSecond, ms(l.p50), ms(l.p99), ms(l.cpuPerRequest))
}

// drive calls the server from so many connections for a while, each as soon as it has its answer. Every request must be
// answered with the status.
func (p *process) drive(ctx context.Context, clients int, last time.Duration, status int, next func() ([]byte, error)) (load, error) {
	var conns []*client
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	for range clients {
		c, err := p.dial(ctx)
		if err != nil {
			return load{}, err
		}
		conns = append(conns, c)
	}
	took := make([][]time.Duration, clients)
	errs := make([]error, clients)
	cpu, began := p.cpu(), time.Now()
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { took[i], errs[i] = c.repeat(ctx, began.Add(last), status, next) })
	}
	all.Wait()
	elapsed := time.Since(began)
	for _, err := range errs {
		if err != nil { // the others say the same
			return load{}, fmt.Errorf("%w (the server's log: %s)", err, p.log)
		}
	}
	return summary(slices.Concat(took...), elapsed, p.cpu()-cpu), nil
}

func (c *client) repeat(ctx context.Context, until time.Time, status int, next func() ([]byte, error)) (took []time.Duration, _ error) {
	for ctx.Err() == nil {
		request, err := next()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if began.After(until) {
			return took, nil
		}
		got, body, err := c.do(request)
		if err != nil {
			return nil, err
		}
		if got != status {
			return nil, fmt.Errorf("got status %d, want %d: %s", got, status, body)
		}
		took = append(took, time.Since(began))
	}
	return took, ctx.Err()
}

func summary(took []time.Duration, elapsed, cpu time.Duration) load {
	if len(took) == 0 {
		return load{}
	}
	slices.Sort(took)
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	n := time.Duration(len(took))
	return load{
		calls:     len(took),
		perSecond: float64(len(took)) / elapsed.Seconds(), mean: sum / n, p50: took[len(took)/2], p99: percentile(took, 99),
		cpuPerRequest: cpu / n,
	}
}

// percentile is the least of a sorted list that so many in a hundred do not exceed.
func percentile(sorted []time.Duration, of int) time.Duration {
	return sorted[min(len(sorted)-1, (len(sorted)*of+99)/100-1)]
}
