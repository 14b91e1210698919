// Package cable carries TCP connections from a test's client to its server, and can be cut, stalled, slowed and mended.
//
// A cut cable resets its connections and takes no new ones, as a peer that is gone does. A stalled one carries nothing and
// says nothing, as a network that drops every packet does; what was sent meanwhile arrives once it is mended.
package cable

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Direction is one way through the cable, or both.
type Direction int

// Up is what the one who dialled sends, Down what comes back.
const (
	Up Direction = 1 << iota
	Down
	Both = Up | Down
)

// Cable is a listener whose connections lead to a server. Make it with Lay. Its methods may be called by several goroutines.
type Cable struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu      sync.Mutex
	cut     bool
	closed  bool
	stalled Direction
	delays  [2]time.Duration // up, down
	changed chan struct{}    // closed at the next change
	ends    map[net.Conn]bool
}

// Lay listens on a port of the loopback address and leads whoever dials it to an address.
func Lay(to string) (*Cable, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Cable{listener: l, to: to, changed: make(chan struct{}), ends: map[net.Conn]bool{}}
	c.running.Go(c.accept)
	return c, nil
}

// Addr is the host and port to dial. It stays the same.
func (c *Cable) Addr() string { return c.listener.Addr().String() }

// Cut resets every connection, and every new one until Mend.
func (c *Cable) Cut() {
	c.change(func() {
		c.cut = true
		c.resetAll()
	})
}

// Stall lets nothing through in a direction until Mend. Connections stay, and new ones are taken.
func (c *Cable) Stall(d Direction) { c.change(func() { c.stalled |= d }) }

// Delay has everything in a direction arrive that much later, in order, until another Delay or Mend.
func (c *Cable) Delay(d Direction, by time.Duration) {
	c.change(func() {
		if d&Up != 0 {
			c.delays[0] = by
		}
		if d&Down != 0 {
			c.delays[1] = by
		}
	})
}

// Mend makes the cable as new. What was held back goes on.
func (c *Cable) Mend() {
	c.change(func() { c.cut, c.stalled, c.delays = false, 0, [2]time.Duration{} })
}

// Close resets every connection and waits until nothing runs any more.
func (c *Cable) Close() error {
	c.change(func() {
		c.closed = true
		c.resetAll()
	})
	err := c.listener.Close()
	c.running.Wait()
	return err
}

func (c *Cable) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Cable) resetAll() {
	for end := range c.ends {
		reset(end)
	}
	clear(c.ends)
}

// reset closes a connection so that its peer sees a reset, not an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed already: then there is nothing to reset
	}
	_ = conn.Close()
}

func (c *Cable) accept() {
	for {
		near, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && c.keep(near) {
			c.running.Go(func() { c.carry(near) })
		}
	}
}

// keep remembers an end of a connection, and resets it where the cable is cut.
func (c *Cable) keep(end net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut || c.closed {
		reset(end)
		return false
	}
	c.ends[end] = true
	return true
}

func (c *Cable) forget(end net.Conn) {
	reset(end)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, end)
}

// dialWithin bounds the way to the server.
const dialWithin = 10 * time.Second

func (c *Cable) carry(near net.Conn) {
	defer c.forget(near)
	far, err := (&net.Dialer{Timeout: dialWithin}).DialContext(context.Background(), "tcp", c.to)
	if err != nil || !c.keep(far) {
		return
	}
	defer c.forget(far)
	var both sync.WaitGroup
	both.Go(func() { c.pump(far, near, Up) })
	both.Go(func() { c.pump(near, far, Down) })
	both.Wait()
}

// piece is what was read at an instant.
type piece struct {
	data []byte
	at   time.Time
}

const (
	pieceSize = 32 << 10
	// mostPieces bounds what is on its way in one direction.
	mostPieces = 256
)

// pump carries one direction until either side ends. An end is passed on like everything else, in its turn.
func (c *Cable) pump(to, from net.Conn, d Direction) {
	way := make(chan piece, mostPieces)
	gone := make(chan struct{})
	c.running.Go(func() {
		defer close(way)
		for {
			buffer := make([]byte, pieceSize)
			n, err := from.Read(buffer)
			if n > 0 {
				select {
				case way <- piece{buffer[:n], time.Now()}:
				case <-gone:
					return
				}
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					reset(to)
				}
				return
			}
		}
	})
	defer close(gone)
	for p := range way {
		if !c.mayPass(p.at, d) {
			return
		}
		if _, err := to.Write(p.data); err != nil {
			reset(from)
			return
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok && c.mayPass(time.Now(), d) {
		_ = tcp.CloseWrite() // a peer that is gone needs no telling
	}
}

// mayPass returns when what came at an instant may go on: true, or false when it never will.
func (c *Cable) mayPass(came time.Time, d Direction) bool {
	for {
		c.mu.Lock()
		gone, stalled, changed := c.cut || c.closed, c.stalled&d != 0, c.changed
		left := time.Until(came.Add(c.delays[d>>1]))
		c.mu.Unlock()
		switch {
		case gone:
			return false
		case stalled:
			<-changed
		case left <= 0:
			return true
		default:
			timer := time.NewTimer(left)
			select {
			case <-timer.C:
			case <-changed:
			}
			timer.Stop()
		}
	}
}
