package access

import "sync/atomic"

// signal tells whoever waits that something happened. The zero value is ready; nothing is made as long as nobody waits.
type signal struct{ channel atomic.Pointer[chan struct{}] }

// wait returns a channel that is closed when the signal fires next.
func (s *signal) wait() <-chan struct{} {
	for {
		if c := s.channel.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		if s.channel.CompareAndSwap(nil, &c) {
			return c
		}
	}
}

// fire closes the channel that is waited for.
func (s *signal) fire() {
	if c := s.channel.Swap(nil); c != nil {
		close(*c)
	}
}

// end fires for good: who waits afterwards is told at once.
func (s *signal) end() {
	closed := make(chan struct{})
	close(closed)
	if c := s.channel.Swap(&closed); c != nil {
		close(*c)
	}
}
